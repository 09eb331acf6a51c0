/* JSON lines cut natively: one pass that proves a line and takes the wanted values out of it.

   What is proven here has one JSON object a line, valid by RFC 8259 and UTF-8, no key twice in an
   object, and only keys whose meaning the caller gave. Whatever is not proven is "odd": its place
   is given back, and the exact reader (formats/lines.py) reads it. So there is no opinion in this
   file on what a line means; a key's role, rank and place come in, values as Arrow come out.

   Plain C, called by ctypes: it needs a compiler and nothing of Python's to be built.
   Arrow C data interface: https://arrow.apache.org/docs/format/CDataInterface.html
   Utf8View layout: https://arrow.apache.org/docs/format/Columnar.html */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

enum { MOST_ROLES = 48, DEEPEST = 48, MOST_UNKNOWN = 256, NO_RANK = INT32_MAX };

/* What a key is, beside a role; the same numbers stand in formats/scan.py. */
enum {
    WRAPS = 1,       /* its document was made by a collector */
    STREAM = 2,      /* "stream" and "log" together say so too */
    LOG = 4,
    IS_LINE = 8,     /* its text is a line as the program wrote it */
    DOCUMENT = 16,   /* the document proper is below it (elasticdump's _source) */
    PLACE = 32,      /* _id or _index */
    CUID = 64,
    SVC = 128,
    ANY_TEXT = 256,  /* "" and "-" are values here, not "none" */
    STAMP = 512,     /* the runtime's time of the line, where a collector kept it beside its own */
    NO_NUMBER = 1024,  /* a number says nothing here: of a file's line, not the line */
};

typedef struct {
    const uint8_t *key;  /* as it stands between the quotes */
    uint32_t size;
    int32_t context, role, rank, child, flags;
} Entry;

typedef struct {
    Entry *entries;
    int32_t count, contexts, roles;
    int32_t *table;     /* open addressing: entry, or -1 */
    uint32_t mask;
    /* Roles' numbers; -1: not asked for; -2: asked for, but no key of the file has it. */
    int32_t time, level, request, trace, message, cuid, svc;
    int hits;           /* lines are search hits */
} Plan;

static uint32_t hash_of(int32_t context, const uint8_t *key, size_t size) {
    uint32_t h = 2166136261u ^ (uint32_t)context * 2654435761u;
    for (size_t i = 0; i < size; i++) h = (h ^ key[i]) * 16777619u;
    return h ^ h >> 15;
}

static int32_t find(const Plan *plan, int32_t context, const uint8_t *key, size_t size) {
    uint32_t at = hash_of(context, key, size) & plan->mask;
    for (int32_t e; (e = plan->table[at]) >= 0; at = (at + 1) & plan->mask) {
        const Entry *entry = &plan->entries[e];
        if (entry->context == context && entry->size == size && !memcmp(entry->key, key, size))
            return e;
    }
    return -1;
}

EXPORT void cuidx_plan_free(Plan *plan) {
    if (!plan) return;
    for (int32_t i = 0; i < plan->count; i++) free((void *)plan->entries[i].key);
    free(plan->entries);
    free(plan->table);
    free(plan);
}

/* What the keys mean; SPECIAL has the numbers of time, level, request_id, trace_id, message, cuid
   and svc. NULL: no memory, or a number that stands for nothing. The keys are copied. */
EXPORT Plan *cuidx_plan(const Entry *entries, int32_t count, int32_t contexts, int32_t roles,
                        const int32_t *special, int32_t hits) {
    if (count < 0 || contexts < 1 || roles < 0 || roles > MOST_ROLES) return NULL;
    for (int i = 0; i < 7; i++)
        if (special[i] >= roles) return NULL;
    Plan *plan = calloc(1, sizeof *plan);
    if (!plan) return NULL;
    uint32_t size = 64;
    while (size < 2 * (uint32_t)count) size *= 2;
    plan->entries = calloc((size_t)count + 1, sizeof(Entry));
    plan->table = malloc(size * sizeof(int32_t));
    if (!plan->entries || !plan->table) { cuidx_plan_free(plan); return NULL; }
    memset(plan->table, -1, size * sizeof(int32_t));
    plan->mask = size - 1;
    plan->contexts = contexts, plan->roles = roles, plan->hits = hits;
    plan->time = special[0], plan->level = special[1];
    plan->request = special[2], plan->trace = special[3];
    plan->message = special[4], plan->cuid = special[5], plan->svc = special[6];
    for (int32_t i = 0; i < count; i++) {
        Entry entry = entries[i];
        uint8_t *key = malloc((size_t)entry.size + 1);
        if (!key || entry.context < 0 || entry.context >= contexts || entry.child >= contexts ||
            entry.role >= roles) {
            free(key);
            cuidx_plan_free(plan);
            return NULL;
        }
        memcpy(key, entry.key, entry.size);
        entry.key = key;
        plan->entries[i] = entry;
        plan->count = i + 1;
        uint32_t at = hash_of(entry.context, key, entry.size) & plan->mask;
        while (plan->table[at] >= 0) at = (at + 1) & plan->mask;
        plan->table[at] = i;
    }
    return plan;
}

/* -- one line ------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *at;
    uint32_t size;
    int32_t rank;     /* NO_RANK: none yet */
    uint8_t escaped;  /* 1; 2: a number that Python writes in another way */
} Value;

typedef struct {
    int32_t context;
    uint32_t size;
    const uint8_t *key;
} Unknown;

typedef struct {
    const Plan *plan;
    const uint8_t *p, *end;  /* END is one behind the block's last byte, a newline */
    int64_t line;
    int32_t *follow;         /* the entry that came after this one, or first in this context */
    int64_t *seen;           /* the last line (from 1) that had this entry */
    Value values[MOST_ROLES], stamp;
    int32_t flags;           /* of the document's keys */
    int message_flags;
    int odd;                 /* valid so far, but not to be read here */
    Unknown unknown[MOST_UNKNOWN];
    int unknowns;
} Line;

static inline void skip_blanks(Line *s) {
    while (*s->p == ' ' || *s->p == '\t' || *s->p == '\r') s->p++;
}

/* The length of the UTF-8 sequence at P, 0 if there is none. The newline at the end stops it. */
static int sequence(const uint8_t *p) {
    uint8_t a = p[0];
    if (a >= 0xC2 && a <= 0xDF) return (p[1] & 0xC0) == 0x80 ? 2 : 0;
    if (a >= 0xE0 && a <= 0xEF) {
        uint8_t low = a == 0xE0 ? 0xA0 : 0x80, high = a == 0xED ? 0x9F : 0xBF;
        return p[1] >= low && p[1] <= high && (p[2] & 0xC0) == 0x80 ? 3 : 0;
    }
    if (a >= 0xF0 && a <= 0xF4) {
        uint8_t low = a == 0xF0 ? 0x90 : 0x80, high = a == 0xF4 ? 0x8F : 0xBF;
        return p[1] >= low && p[1] <= high && (p[2] & 0xC0) == 0x80 && (p[3] & 0xC0) == 0x80 ? 4 : 0;
    }
    return 0;
}

static int hex4(const uint8_t *p) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int c = p[i], digit;
        if (c >= '0' && c <= '9') digit = c - '0';
        else if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
        else return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* From behind the opening quote to behind the closing one; 0 if this is no valid string. */
static int text(Line *s, uint8_t *escaped) {
    const uint8_t *p = s->p;
    for (;;) {
#if defined(__SSE2__)
        while (p + 16 <= s->end) {
            __m128i v = _mm_loadu_si128((const __m128i *)p);
            __m128i stop = _mm_or_si128(
                _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                             _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))),
                _mm_cmplt_epi8(v, _mm_set1_epi8(0x20)));  /* signed: also 0x80 and above */
            int mask = _mm_movemask_epi8(stop);
            if (mask) { p += __builtin_ctz((unsigned)mask); break; }
            p += 16;
        }
#endif
        while (*p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') p++;
        if (*p == '"') { s->p = p + 1; return 1; }
        if (*p == '\\') {
            *escaped = 1;
            switch (p[1]) {
            case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
                p += 2;
                continue;
            case 'u': {
                int c = hex4(p + 2);
                if (c < 0) return 0;
                p += 6;
                if (c >= 0xD800 && c <= 0xDFFF) {  /* a lone surrogate is no text */
                    if (c > 0xDBFF || p[0] != '\\' || p[1] != 'u') return 0;
                    int low = hex4(p + 2);
                    if (low < 0xDC00 || low > 0xDFFF) return 0;
                    p += 6;
                }
                continue;
            }
            default: return 0;
            }
        }
        int size = *p >= 0x80 ? sequence(p) : 0;
        if (!size) return 0;
        p += size;
    }
}

/* A number; PLAIN if its text is also how Python writes its value. 0 if it is none, or too long. */
static int number(Line *s, int *plain) {
    const uint8_t *p = s->p;
    int minus = *p == '-';
    p += minus;
    const uint8_t *whole = p;
    if (*p == '0') p++;
    else if (*p >= '1' && *p <= '9') while (*p >= '0' && *p <= '9') p++;
    else return 0;
    int digits = (int)(p - whole), zero = *whole == '0';
    if (digits > 18) return 0;
    *plain = !(zero && minus);
    if (*p == '.') {
        const uint8_t *fraction = ++p;
        while (*p >= '0' && *p <= '9') p++;
        int size = (int)(p - fraction);
        if (size < 1 || size > 17) return 0;
        /* Microseconds of an epoch below 2^32 seconds: doubles lie closer than those there. */
        int micros = digits == 10 && size == 6 && *whole <= '3';
        *plain = !zero && (digits + size <= 15 || micros) && (p[-1] != '0' || size == 1);
    }
    if (*p == 'e' || *p == 'E') {
        *plain = 0;
        p++;
        if (*p == '+' || *p == '-') p++;
        const uint8_t *power = p;
        while (*p >= '0' && *p <= '9') p++;
        if (p - power < 1 || p - power > 2) return 0;
    }
    s->p = p;
    return 1;
}

static int word(Line *s, const char *text, size_t size) {
    if ((size_t)(s->end - s->p) < size || memcmp(s->p, text, size)) return 0;
    s->p += size;
    return 1;
}

/* Tell the caller of a key that it said nothing about, once. */
static void unknown(Line *s, int32_t context, const uint8_t *key, size_t size) {
    if (s->unknowns == MOST_UNKNOWN || size > 1024) return;
    for (int i = 0; i < s->unknowns; i++) {
        const Unknown *u = &s->unknown[i];
        if (u->context == context && u->size == size && !memcmp(u->key, key, size)) return;
    }
    s->unknown[s->unknowns++] = (Unknown){context, (uint32_t)size, key};
}

static int object(Line *s, int32_t context, int depth);

static int array(Line *s, int depth);

/* A value that nobody asked for. */
static int ignored(Line *s, int depth) {
    uint8_t escaped = 0;
    int plain;
    switch (*s->p) {
    case '"': s->p++; return text(s, &escaped);
    case '{': s->p++; return object(s, -1, depth + 1);
    case '[': s->p++; return array(s, depth + 1);
    case 't': return word(s, "true", 4);
    case 'f': return word(s, "false", 5);
    case 'n': return word(s, "null", 4);
    default: return number(s, &plain);
    }
}

static int array(Line *s, int depth) {
    if (depth > DEEPEST) return 0;
    skip_blanks(s);
    if (*s->p == ']') { s->p++; return 1; }
    for (;;) {
        if (!ignored(s, depth)) return 0;
        skip_blanks(s);
        if (*s->p == ']') { s->p++; return 1; }
        if (*s->p != ',') return 0;
        s->p++;
        skip_blanks(s);
    }
}

static inline void take(Line *s, const Entry *e, const uint8_t *at, size_t size, uint8_t escaped) {
    Value *v = &s->values[e->role];
    if (e->rank >= v->rank) return;
    if (!(e->flags & ANY_TEXT) && (size == 0 || (size == 1 && *at == '-'))) return;
    v->at = at, v->size = (uint32_t)size, v->rank = e->rank, v->escaped = escaped;
    if (e->role == s->plan->message) s->message_flags = e->flags;
}

static int value(Line *s, const Entry *e, int depth) {
    const uint8_t *start;
    uint8_t escaped = 0;
    int plain;
    if (e->flags & DOCUMENT) {
        if (!s->plan->hits || *s->p != '{') s->odd = 1;
    }
    switch (*s->p) {
    case '"':
        start = ++s->p;
        if (!text(s, &escaped)) return 0;
        if (e->role >= 0) take(s, e, start, (size_t)(s->p - 1 - start), escaped);
        if (e->flags & STAMP) s->stamp = (Value){start, (uint32_t)(s->p - 1 - start), 0, escaped};
        return 1;
    case '{':
        s->p++;
        if (e->flags & PLACE) s->odd = 1;
        return object(s, e->child, depth + 1);
    case '[':
        /* Its first text counts, or all of them: rare. But not beside a better one. */
        if (e->role >= 0 && e->rank < s->values[e->role].rank) s->odd = 1;
        s->p++;
        return array(s, depth + 1);
    case 't': return word(s, "true", 4);
    case 'f': return word(s, "false", 5);
    case 'n': return word(s, "null", 4);
    default:
        start = s->p;
        if (!number(s, &plain)) return 0;
        if (e->role >= 0 && !(e->flags & NO_NUMBER)) {
            take(s, e, start, (size_t)(s->p - start), plain ? 0 : 2);
        }
        return 1;
    }
}

/* From behind the brace to behind its fellow; 0 if the line can't be proven. An object that holds
   no role has the context -1: its keys mean nothing. */
static int object(Line *s, int32_t context, int depth) {
    if (depth > DEEPEST) return 0;
    skip_blanks(s);
    if (*s->p == '}') { s->p++; return 1; }
    int32_t before = context < 0 ? 0 : s->plan->count + context;
    int keys = 0, flags = 0;
    for (;;) {
        if (*s->p != '"') return 0;
        const uint8_t *key = ++s->p;
        int32_t e = -1;
        if (context >= 0) {
            int32_t guess = s->follow[before];
            if (guess >= 0) {
                const Entry *g = &s->plan->entries[guess];
                if ((size_t)(s->end - key) > g->size && key[g->size] == '"' &&
                    !memcmp(key, g->key, g->size)) {
                    e = guess;
                    s->p = key + g->size + 1;
                }
            }
        }
        if (e < 0) {
            uint8_t escaped = 0;
            if (!text(s, &escaped)) return 0;
            if (context >= 0) {
                size_t size = (size_t)(s->p - 1 - key);
                e = find(s->plan, context, key, size);
                if (e >= 0) {
                    s->follow[before] = e;
                } else {
                    s->odd = 1;
                    unknown(s, context, key, size);
                }
            }
        }
        skip_blanks(s);
        if (*s->p != ':') return 0;
        s->p++;
        skip_blanks(s);
        keys++;
        if (e >= 0) {
            const Entry *entry = &s->plan->entries[e];
            if (s->seen[e] == s->line) s->odd = 1;  /* a key twice */
            s->seen[e] = s->line;
            flags |= entry->flags;
            before = e;
            if (!value(s, entry, depth)) return 0;
        } else if (!ignored(s, depth)) {
            return 0;
        }
        skip_blanks(s);
        if (*s->p == '}') break;
        if (*s->p != ',') return 0;
        s->p++;
        skip_blanks(s);
    }
    s->p++;
    if (depth == 0 && keys == 2 && (flags & CUID) && (flags & SVC)) s->odd = 1;  /* a bare suffix */
    if (s->plan->hits) {
        if (depth == 0 && !((flags & DOCUMENT) && (flags & PLACE))) s->odd = 1;
        if (depth == 1 && context >= 0) s->flags |= flags;
    } else if (depth == 0) {
        s->flags |= flags;
    }
    return 1;
}

static int holds(const uint8_t *at, size_t size, const char *needle, size_t length) {
    const uint8_t *end = at + size;
    while ((size_t)(end - at) >= length) {
        const uint8_t *hit = memchr(at, needle[0], (size_t)(end - at) - length + 1);
        if (!hit) return 0;
        if (!memcmp(hit, needle, length)) return 1;
        at = hit + 1;
    }
    return 0;
}

/* {"ikontainer_CUID":"…","svc":"…"} behind the document, as the tagger appends it. */
static int suffix(Line *s, const uint8_t *begin) {
    static const char opening[] = "{\"ikontainer_CUID\":\"", between[] = "\",\"svc\":\"";
    uint8_t escaped = 0;
    const Plan *plan = s->plan;
    /* More than one makes a finding of it, which counts them: not here. */
    if (plan->cuid < 0 || plan->svc < 0 ||
        holds(begin, (size_t)(s->p - begin), opening, sizeof opening - 2) ||
        !word(s, opening, sizeof opening - 1))
        return 0;
    const uint8_t *cuid = s->p;
    if (!text(s, &escaped) || escaped || s->p - 1 == cuid) return 0;
    size_t cuid_size = (size_t)(s->p - 1 - cuid);
    s->p--;
    if (!word(s, between, sizeof between - 1)) return 0;
    const uint8_t *svc = s->p;
    if (!text(s, &escaped) || escaped) return 0;
    size_t svc_size = (size_t)(s->p - 1 - svc);
    if (*s->p != '}') return 0;
    s->p++;
    s->values[plan->cuid] = (Value){cuid, (uint32_t)cuid_size, INT32_MIN, 0};
    s->values[plan->svc] = (Value){svc, (uint32_t)svc_size, svc_size ? INT32_MIN : NO_RANK, 0};
    return 1;
}

/* -- the columns ---------------------------------------------------------------------------- */

typedef struct { int32_t size; uint8_t head[4]; int32_t buffer, offset; } View;

typedef struct {
    int roles;
    int64_t rows, capacity;
    View *views[MOST_ROLES];
    uint8_t *valid[MOST_ROLES];
    int64_t nulls[MOST_ROLES];
    uint8_t *bytes;             /* texts longer than a view holds; never more than the block has */
    int64_t used;
    int64_t *instant;           /* time in nanoseconds */
    uint8_t *instant_valid, *flags;
    int64_t instant_nulls;
} Columns;

static void columns_free(Columns *c) {
    if (!c) return;
    for (int i = 0; i < c->roles; i++) { free(c->views[i]); free(c->valid[i]); }
    free(c->bytes); free(c->instant); free(c->instant_valid); free(c->flags);
    free(c);
}

static Columns *columns_new(int roles, int64_t capacity, int64_t bytes) {
    Columns *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->roles = roles;
    c->capacity = capacity;
    size_t rows = (size_t)capacity + 1, bits = rows / 8 + 8;
    int ok = 1;
    for (int i = 0; i < roles; i++) {
        ok &= !!(c->views[i] = malloc(rows * sizeof(View)));
        ok &= !!(c->valid[i] = calloc(1, bits));
    }
    ok &= !!(c->bytes = malloc((size_t)bytes + 1));
    ok &= !!(c->instant = malloc(rows * sizeof(int64_t)));
    ok &= !!(c->instant_valid = calloc(1, bits));
    ok &= !!(c->flags = malloc(rows));
    if (!ok) { columns_free(c); return NULL; }
    return c;
}

/* What stands between the quotes, as text; how many bytes. TEXT has proven it. */
static size_t unescape(const uint8_t *from, size_t size, uint8_t *to) {
    const uint8_t *end = from + size;
    uint8_t *start = to;
    while (from < end) {
        if (*from != '\\') { *to++ = *from++; continue; }
        uint8_t c = from[1];
        from += 2;
        if (c != 'u') {
            *to++ = c == 'b' ? '\b' : c == 'f' ? '\f' : c == 'n' ? '\n' : c == 'r' ? '\r'
                  : c == 't' ? '\t' : c;
            continue;
        }
        uint32_t code = (uint32_t)hex4(from);
        from += 4;
        if (code >= 0xD800 && code <= 0xDBFF) {
            code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)hex4(from + 2) - 0xDC00);
            from += 6;
        }
        if (code < 0x80) *to++ = (uint8_t)code;
        else if (code < 0x800) {
            *to++ = (uint8_t)(0xC0 | code >> 6);
            *to++ = (uint8_t)(0x80 | (code & 0x3F));
        } else if (code < 0x10000) {
            *to++ = (uint8_t)(0xE0 | code >> 12);
            *to++ = (uint8_t)(0x80 | (code >> 6 & 0x3F));
            *to++ = (uint8_t)(0x80 | (code & 0x3F));
        } else {
            *to++ = (uint8_t)(0xF0 | code >> 18);
            *to++ = (uint8_t)(0x80 | (code >> 12 & 0x3F));
            *to++ = (uint8_t)(0x80 | (code >> 6 & 0x3F));
            *to++ = (uint8_t)(0x80 | (code & 0x3F));
        }
    }
    return (size_t)(to - start);
}

static int digits(const uint8_t *p, int count) {
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (p[i] < '0' || p[i] > '9') return -1;
        value = value * 10 + (p[i] - '0');
    }
    return value;
}

/* 2026-11-02T09:00:01.250Z, or with +01:00, in nanoseconds; 0 if it is anything else. */
static int instant(const uint8_t *p, size_t size, int64_t *out) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (size < 20 || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' || p[16] != ':')
        return 0;
    int year = digits(p, 4), month = digits(p + 5, 2), day = digits(p + 8, 2);
    int hour = digits(p + 11, 2), minute = digits(p + 14, 2), second = digits(p + 17, 2);
    if (year < 1679 || year > 2261 || month < 1 || month > 12 || day < 1 || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return 0;
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > days[month - 1] + (month == 2 && leap)) return 0;
    const uint8_t *at = p + 19, *end = p + size;
    int64_t nanos = 0;
    if (*at == '.') {
        int count = 0;
        for (at++; at < end && *at >= '0' && *at <= '9'; at++, count++)
            if (count < 9) nanos = nanos * 10 + (*at - '0');
        if (count < 1 || count > 9) return 0;
        for (; count < 9; count++) nanos *= 10;
    }
    int64_t offset = 0;
    if (end - at == 1 && *at == 'Z') {
    } else if (end - at == 6 && (*at == '+' || *at == '-') && at[3] == ':') {
        int h = digits(at + 1, 2), m = digits(at + 4, 2);
        if (h < 0 || h > 23 || m < 0 || m > 59) return 0;
        offset = (*at == '-' ? -1 : 1) * (h * 3600 + m * 60);
    } else {
        return 0;
    }
    /* Days since 1970 in the proleptic Gregorian calendar: March is the first month of a year. */
    int64_t y = year - (month <= 2), era = y / 400, yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    int64_t since = era * 146097 + doe - 719468;
    *out = (since * 86400 + hour * 3600 + minute * 60 + second - offset) * 1000000000 + nanos;
    return 1;
}

/* How many digits an instant's seconds have behind the point; -1 if it is none. */
static int fraction(const uint8_t *p, size_t size) {
    int64_t out;
    if (!instant(p, size, &out)) return -1;
    int count = 0;
    if (p[19] == '.')
        while (p[20 + count] >= '0' && p[20 + count] <= '9') count++;
    return count;
}

/* Whether a message may be JSON or carry a suffix; in doubt yes, the caller looks closely. */
static int layered(const Value *v) {
    size_t i = 0;
    while (i < v->size && (v->at[i] == ' ' || v->at[i] == '\t')) i++;
    if (i < v->size && (v->at[i] == '{' || v->at[i] >= 0x80 || v->at[i] == '\\')) return 1;
    return v->escaped && (holds(v->at, v->size, "ikontainer_CUID", 15) ||
                          holds(v->at, v->size, "\\u00", 4));
}

static int lacks(const Value *values, int32_t role) {
    return role < 0 || values[role].rank == NO_RANK;
}

enum { WRAPPED = 1, LINE = 2, SUFFIXED = 4, ODD = 8 };  /* a row's flags */

/* A row for a line that is not proven: nothing but the flag. */
static void odd_row(Columns *c) {
    for (int i = 0; i < c->roles; i++) {
        memset(&c->views[i][c->rows], 0, sizeof(View));
        c->nulls[i]++;
    }
    c->instant[c->rows] = 0;
    c->instant_nulls++;
    c->flags[c->rows++] = ODD;
}

/* Write the line's values as a row; 0 if one of them turns out to be "none" after all. */
static int row(Line *s, Columns *c, int messages, int suffixed, int64_t *asks) {
    const Plan *plan = s->plan;
    int64_t r = c->rows;
    int64_t used = c->used;
    int wrapped = (s->flags & WRAPS) || ((s->flags & STREAM) && (s->flags & LOG));
    if (wrapped && plan->time >= 0 && s->stamp.rank != NO_RANK) {
        Value *chosen = &s->values[plan->time];
        if (chosen->rank != NO_RANK && chosen->at != s->stamp.at) {
            if (chosen->escaped || s->stamp.escaped) return 0;
            int fine = fraction(chosen->at, chosen->size);
            if (fine >= 0 && fraction(s->stamp.at, s->stamp.size) > fine)
                chosen->at = s->stamp.at, chosen->size = s->stamp.size;
        }
    }
    for (int i = 0; i < c->roles; i++) {
        Value *v = &s->values[i];
        View *view = &c->views[i][r];
        if (v->rank == NO_RANK || (i == plan->message && !messages)) {
            memset(view, 0, sizeof *view);
            continue;
        }
        if (v->escaped == 2) { c->used = used; return 0; }
        const uint8_t *at = v->at;
        size_t size = v->size;
        if (v->escaped) {
            uint8_t *to = c->bytes + c->used;
            size = unescape(at, size, to);
            at = to;
            if (size == 1 && *at == '-' && i != plan->message) { c->used = used; return 0; }
        }
        view->size = (int32_t)size;
        if (size <= 12) {
            memset(view->head, 0, 12);
            memcpy(view->head, at, size);
        } else {
            uint8_t *to = c->bytes + c->used;
            if (to != at) memcpy(to, at, size);
            memcpy(view->head, at, 4);
            view->buffer = 0;
            view->offset = (int32_t)c->used;
            c->used += (int64_t)size;
        }
    }
    for (int i = 0; i < c->roles; i++) {
        if (s->values[i].rank == NO_RANK || (i == plan->message && !messages)) c->nulls[i]++;
        else c->valid[i][r >> 3] |= (uint8_t)(1 << (r & 7));
    }
    const Value *time = plan->time < 0 ? NULL : &s->values[plan->time];
    c->instant[r] = 0;
    if (time && time->rank != NO_RANK && !time->escaped && instant(time->at, time->size, &c->instant[r]))
        c->instant_valid[r >> 3] |= (uint8_t)(1 << (r & 7));
    else
        c->instant_nulls++;
    int is_line = wrapped || (s->message_flags & IS_LINE);
    c->flags[r] = (uint8_t)((wrapped ? WRAPPED : 0) | (is_line ? LINE : 0) | (suffixed ? SUFFIXED : 0));
    if (plan->message >= 0 && s->values[plan->message].rank != NO_RANK) {
        const Value *v = s->values;
        int none = lacks(v, plan->request) && lacks(v, plan->trace);
        none |= plan->time != -1 && lacks(v, plan->time);
        none |= plan->level != -1 && lacks(v, plan->level);
        *asks += none || (is_line && layered(&v[plan->message]));
    }
    c->rows++;
    return 1;
}

/* -- Arrow ---------------------------------------------------------------------------------- */

struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

static void release_schema(struct ArrowSchema *schema) {
    for (int64_t i = 0; i < schema->n_children; i++) {
        struct ArrowSchema *child = schema->children[i];
        if (child->release) child->release(child);
        free(child);
    }
    free(schema->children);
    free(schema->private_data);  /* its name */
    schema->release = NULL;
}

/* Each column is kept until all are released: they share one buffer of bytes. */
typedef struct { Columns *columns; int64_t holders; } Shared;
typedef struct { Shared *shared; const void *buffers[4]; int64_t sizes[1]; } Column;

static void let_go(Shared *shared) {
    if (__atomic_sub_fetch(&shared->holders, 1, __ATOMIC_ACQ_REL) == 0) {
        columns_free(shared->columns);
        free(shared);
    }
}

static void release_array(struct ArrowArray *array) {
    for (int64_t i = 0; i < array->n_children; i++) {
        struct ArrowArray *child = array->children[i];
        if (child->release) child->release(child);
        free(child);
    }
    free(array->children);
    Column *column = array->private_data;
    if (column) { let_go(column->shared); free(column); }
    array->release = NULL;
}

static int fill_schema(struct ArrowSchema *schema, const char *format, const char *name) {
    memset(schema, 0, sizeof *schema);
    char *copy = malloc(strlen(name) + 1);
    if (!copy) return 0;
    strcpy(copy, name);
    schema->format = format;
    schema->name = copy;
    schema->private_data = copy;
    schema->flags = 2;  /* nullable */
    schema->release = release_schema;
    return 1;
}

static int fill_array(struct ArrowArray *array, Shared *shared, int64_t length) {
    memset(array, 0, sizeof *array);
    Column *column = calloc(1, sizeof *column);
    if (!column) return 0;
    array->length = length;
    array->n_buffers = 1;
    array->buffers = column->buffers;
    array->private_data = column;
    array->release = release_array;
    column->shared = shared;
    __atomic_add_fetch(&shared->holders, 1, __ATOMIC_ACQ_REL);
    return 1;
}

/* A struct of the roles, then instant and flags, a row a line. Owns COLUMNS from here on; 0: no memory. */
static int as_arrow(Columns *c, struct ArrowSchema *schema, struct ArrowArray *array) {
    Shared *shared = calloc(1, sizeof *shared);
    if (!shared) { columns_free(c); return 0; }
    shared->columns = c;
    shared->holders = 1;
    int count = c->roles + 2;
    int ok = fill_schema(schema, "+s", "") && fill_array(array, shared, c->rows);
    if (ok) {
        schema->children = calloc((size_t)count, sizeof *schema->children);
        array->children = calloc((size_t)count, sizeof *array->children);
        ok = schema->children && array->children;
    }
    for (int i = 0; ok && i < count; i++) {
        char name[16];
        int at = i - c->roles;
        snprintf(name, sizeof name, "%d", i);
        struct ArrowSchema *s = calloc(1, sizeof *s);
        struct ArrowArray *a = calloc(1, sizeof *a);
        if (s) schema->children[schema->n_children++] = s;
        if (a) array->children[array->n_children++] = a;
        ok = s && a && fill_schema(s, at < 0 ? "vu" : at < 1 ? "l" : "C", name) &&
             fill_array(a, shared, c->rows);
        if (!ok) break;
        Column *column = a->private_data;
        if (at < 0) {
            a->n_buffers = 4;
            a->null_count = c->nulls[i];
            column->buffers[0] = c->nulls[i] ? c->valid[i] : NULL;
            column->buffers[1] = c->views[i];
            column->buffers[2] = c->bytes;
            column->sizes[0] = c->used;
            column->buffers[3] = column->sizes;
        } else {
            a->n_buffers = 2;
            a->null_count = at ? 0 : c->instant_nulls;
            column->buffers[0] = !at && c->instant_nulls ? c->instant_valid : NULL;
            column->buffers[1] = at ? (void *)c->flags : (void *)c->instant;
        }
    }
    if (!ok) {
        if (schema->release) schema->release(schema);
        if (array->release) array->release(array);
    }
    let_go(shared);
    return ok;
}

/* -- a block -------------------------------------------------------------------------------- */

typedef struct { int64_t line, start, end; } Odd;

typedef struct {
    int64_t lines, odds, asks, unknowns;
    Odd *odd;           /* places of lines that are not proven; END is the newline's */
    Unknown *unknown;   /* keys that the plan does not have, as they stand in the data */
} Found;

EXPORT void cuidx_found_free(Found *found) {
    free(found->odd);
    free(found->unknown);
    memset(found, 0, sizeof *found);
}

/* DATA is whole lines, less than 2 GiB, the last one with its newline too. FOUND.asks says in how
   many rows the message may tell what the document does not; without MESSAGES its column is null
   throughout. 0: done; 1: no memory; 2: DATA is not as it must be. */
EXPORT int cuidx_scan(const uint8_t *data, int64_t length, const Plan *plan, int messages,
                      Found *found, struct ArrowSchema *schema, struct ArrowArray *array) {
    memset(found, 0, sizeof *found);
    memset(schema, 0, sizeof *schema);
    memset(array, 0, sizeof *array);
    if (length < 1 || length > INT32_MAX || data[length - 1] != '\n') return 2;
    const uint8_t *end = data + length;
    for (const uint8_t *p = data; p < end; found->lines++)
        p = (const uint8_t *)memchr(p, '\n', (size_t)(end - p)) + 1;
    size_t entries = (size_t)plan->count + (size_t)plan->contexts + 1;
    Columns *columns = columns_new(plan->roles, found->lines, length);
    Line *s = calloc(1, sizeof *s);
    int enough = columns && s;
    if (enough) {
        s->plan = plan;
        s->end = end;
        s->follow = malloc(entries * sizeof(int32_t));
        s->seen = calloc(entries, sizeof(int64_t));
        enough = s->follow && s->seen;
    }
    if (enough) memset(s->follow, -1, entries * sizeof(int32_t));
    int64_t room = 0;
    const uint8_t *next = data;
    for (int64_t line = 0; enough && line < found->lines; line++) {
        const uint8_t *begin = next;
        s->p = begin;
        s->line = line + 1;
        s->flags = s->message_flags = s->odd = 0;
        for (int i = 0; i < plan->roles; i++) s->values[i].rank = NO_RANK;
        s->stamp.rank = NO_RANK;
        int suffixed = 0, proven = *s->p == '{', unknowns = s->unknowns;
        if (proven) {
            s->p++;
            proven = object(s, 0, 0);
            if (!proven) s->unknowns = unknowns;  /* no JSON: these are no keys */
            if (proven) {
                if (*s->p == '{') proven = suffixed = suffix(s, begin);
                skip_blanks(s);
                proven = proven && *s->p == '\n' && !s->odd &&
                         row(s, columns, messages, suffixed, &found->asks);
            }
        }
        /* A string never crosses a newline, so a proven line ends where it was read to. */
        next = proven ? s->p + 1 : (const uint8_t *)memchr(begin, '\n', (size_t)(end - begin)) + 1;
        if (!proven) {
            odd_row(columns);
            if (found->odds == room) {
                room = room ? room * 2 : 64;
                Odd *more = realloc(found->odd, (size_t)room * sizeof(Odd));
                if (!more) { enough = 0; break; }
                found->odd = more;
            }
            found->odd[found->odds++] = (Odd){line, begin - data, next - 1 - data};
        }
    }
    if (enough && s->unknowns) {
        found->unknown = malloc((size_t)s->unknowns * sizeof(Unknown));
        enough = !!found->unknown;
        if (enough) {
            memcpy(found->unknown, s->unknown, (size_t)s->unknowns * sizeof(Unknown));
            found->unknowns = s->unknowns;
        }
    }
    if (s) { free(s->follow); free(s->seen); free(s); }
    if (enough) enough = as_arrow(columns, schema, array);
    else columns_free(columns);
    if (!enough) cuidx_found_free(found);
    return !enough;
}
