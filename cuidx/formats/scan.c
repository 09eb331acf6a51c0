/* Lines cut natively: one pass that proves a line and takes the wanted values out of it.

   What is proven here has one JSON object a line, valid by RFC 8259 and UTF-8, no key twice in an
   object, and only keys whose meaning the caller gave. Whatever is not proven is "odd": its place
   is given back, and the exact reader (formats/lines.py) reads it. So there is no opinion in this
   file on what a line means; a key's role, rank and place come in, values as Arrow come out: a row
   a line, or, where a question needs no more, the lines grouped by who wrote them.

   Plain C, called by ctypes: it needs a compiler and nothing of Python's to be built.
   Arrow C data interface: https://arrow.apache.org/docs/format/CDataInterface.html
   Utf8View layout: https://arrow.apache.org/docs/format/Columnar.html */

#include <stddef.h>
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
    int32_t time, level, request, trace, message, cuid, svc, index, id;
    int hits;           /* lines are search hits */
} Plan;

/* Whether SIZE bytes are the same. A has 16 bytes to read whatever SIZE is; END is behind B's. */
static inline int same(const uint8_t *a, const uint8_t *b, size_t size, const uint8_t *end) {
#if defined(__SSE2__)
    while (size && (size_t)(end - b) >= 16) {
        __m128i equal = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)a),
                                       _mm_loadu_si128((const __m128i *)b));
        unsigned differs = ~(unsigned)_mm_movemask_epi8(equal) & 0xFFFF;
        if (size <= 16) return !(differs & ((1u << size) - 1));
        if (differs) return 0;
        a += 16, b += 16, size -= 16;
    }
#else
    (void)end;
#endif
    return !memcmp(a, b, size);
}

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

/* What the keys mean; SPECIAL has the numbers of time, level, request_id, trace_id, message, cuid,
   svc, doc_index and doc_id. NULL: no memory, or a number that stands for nothing. The keys are copied. */
EXPORT Plan *cuidx_plan(const Entry *entries, int32_t count, int32_t contexts, int32_t roles,
                        const int32_t *special, int32_t hits) {
    if (count < 0 || contexts < 1 || roles < 0 || roles > MOST_ROLES) return NULL;
    for (int i = 0; i < 9; i++)
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
    plan->index = special[7], plan->id = special[8];
    for (int32_t i = 0; i < count; i++) {
        Entry entry = entries[i];
        uint8_t *key = calloc(1, (size_t)entry.size + 16);
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
    ptrdiff_t suffix;        /* how long the last suffix of a text was */
    Value body;              /* of a line of text: what the program wrote */
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
    int keys = 0, flags = 0, cuids = 0;
    for (;;) {
        if (*s->p != '"') return 0;
        const uint8_t *key = ++s->p;
        int32_t e = -1;
        if (context >= 0) {
            int32_t guess = s->follow[before];
            if (guess >= 0) {
                const Entry *g = &s->plan->entries[guess];
                if ((size_t)(s->end - key) > g->size && key[g->size] == '"' &&
                    same(g->key, key, g->size, s->end)) {
                    e = guess;
                    s->p = key + g->size + 1;
                }
            }
        }
        if (e < 0) {
            uint8_t escaped = 0;
            if (!text(s, &escaped)) return 0;
            size_t size = (size_t)(s->p - 1 - key);
            if (context >= 0) {
                e = find(s->plan, context, key, size);
                if (e >= 0) {
                    s->follow[before] = e;
                } else {
                    s->odd = 1;
                    unknown(s, context, key, size);
                }
            } else if (size == 15 && !memcmp(key, "ikontainer_CUID", 15) && cuids++) {
                s->odd = 1;  /* twice makes a finding of it, wherever it is */
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

/* A column of numbers: FORMAT as in Arrow (l: int64, L: uint64, I: uint32, C: uint8). */
typedef struct {
    const char *format;
    void *data;
    uint8_t *valid;  /* NULL: none is null */
    int64_t nulls;
} Numbers;

enum { MOST_NUMBERS = 8 };

typedef struct {
    int roles, numbers;
    int64_t rows, capacity;
    View *views[MOST_ROLES];
    uint8_t *valid[MOST_ROLES];
    int64_t nulls[MOST_ROLES];
    uint8_t *bytes;             /* texts longer than a view holds; never more than the block has */
    int64_t used;
    Numbers number[MOST_NUMBERS];
} Columns;

static void columns_free(Columns *c) {
    if (!c) return;
    for (int i = 0; i < c->roles; i++) { free(c->views[i]); free(c->valid[i]); }
    for (int i = 0; i < c->numbers; i++) { free(c->number[i].data); free(c->number[i].valid); }
    free(c->bytes);
    free(c);
}

static size_t bits_for(int64_t capacity) { return (size_t)capacity / 8 + 8; }

/* Room for CAPACITY rows of texts, all of them together BYTES long. */
static Columns *columns_new(int roles, int64_t capacity, int64_t bytes) {
    Columns *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->roles = roles;
    c->capacity = capacity;
    size_t rows = (size_t)capacity + 1;
    int ok = 1;
    for (int i = 0; i < roles; i++) {
        ok &= !!(c->views[i] = malloc(rows * sizeof(View)));
        ok &= !!(c->valid[i] = calloc(1, bits_for(capacity)));
    }
    ok &= !!(c->bytes = malloc((size_t)bytes + 1));
    if (!ok) { columns_free(c); return NULL; }
    return c;
}

/* One more column of numbers, each SIZE bytes, some of them maybe null; NULL: no memory. */
static Numbers *numbers_new(Columns *c, const char *format, size_t size, int nulls) {
    Numbers *n = &c->number[c->numbers++];
    n->format = format;
    n->data = malloc(((size_t)c->capacity + 1) * size);
    if (nulls) n->valid = calloc(1, bits_for(c->capacity));
    return n->data && (n->valid || !nulls) ? n : NULL;
}

static inline void set_bit(uint8_t *bits, int64_t at) { bits[at >> 3] |= (uint8_t)(1 << (at & 7)); }

/* A text as an Arrow view; longer ones are kept in BYTES (if they are not there already). */
static void put_text(Columns *c, View *view, const uint8_t *at, size_t size) {
    view->size = (int32_t)size;
    if (size <= 12) {
        memset(view->head, 0, 12);
        memcpy(view->head, at, size);
        return;
    }
    uint8_t *to = c->bytes + c->used;
    if (to != at) memcpy(to, at, size);
    memcpy(view->head, at, 4);
    view->buffer = 0;
    view->offset = (int32_t)c->used;
    c->used += (int64_t)size;
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
    ((int64_t *)c->number[0].data)[c->rows] = 0;
    c->number[0].nulls++;
    ((uint8_t *)c->number[1].data)[c->rows++] = ODD;
}

/* Whether the document was made by a collector. If so, its own time of the line is the better of
   two where it is finer. 0 in PROVEN: the values have to be looked at more closely. */
static int wrapped(Line *s, int *proven) {
    int32_t time = s->plan->time;
    if (!(s->flags & WRAPS) && !((s->flags & STREAM) && (s->flags & LOG))) return 0;
    if (time >= 0 && s->stamp.rank != NO_RANK) {
        Value *chosen = &s->values[time];
        if (chosen->rank != NO_RANK && chosen->at != s->stamp.at) {
            if (chosen->escaped || s->stamp.escaped) { *proven = 0; return 1; }
            int fine = fraction(chosen->at, chosen->size);
            if (fine >= 0 && fraction(s->stamp.at, s->stamp.size) > fine)
                chosen->at = s->stamp.at, chosen->size = s->stamp.size;
        }
    }
    return 1;
}

static inline int is_digit(uint8_t c) { return c >= '0' && c <= '9'; }
static inline int is_letter(uint8_t c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

/* Whether what begins at P may be a part of such a text. */
static int tells_at(const uint8_t *p, const uint8_t *end, int requests, int dated) {
    const size_t left = (size_t)(end - p);
    switch (*p) {
    case 'r': case 'R':
        if (!requests) return 0;
        if (left >= 3 && (p[1] | 32) == 'e' && (p[2] | 32) == 'q') return 1;
        return left >= 4 && (p[1] | 32) == 'i' && (p[2] | 32) == 'd' && p[3] == '=';
    case 't': case 'T':
        return requests && left >= 5 && (p[1] | 32) == 'r' && (p[2] | 32) == 'a' &&
               (p[3] | 32) == 'c' && (p[4] | 32) == 'e';
    case '\\':
        return left >= 2 && p[1] == 'u';
    case 'a':
        return dated && left >= 6 && !memcmp(p, "access", 6);  /* ztunnel's */
    case 'C':
        return dated && left >= 12 && !memcmp(p, "ContainerID=", 12);  /* Calico's */
    case 'm':
        return dated && left >= 4 && !memcmp(p, "msg=", 4);  /* containerd's */
    case '[':  /* [02/Nov/2026:… */
        return left >= 4 && is_digit(p[1]) && is_digit(p[2]) && (p[3] == '/' || p[3] == '\\');
    }
    return 0;
}

#if defined(__SSE2__)
/* At which of 16 places `tells_at` may say yes, by two letters each; a 17th byte is there. */
static int may_tell(const uint8_t *p) {
#define SAME(v, c) _mm_cmpeq_epi8(v, _mm_set1_epi8(c))
    const __m128i here = _mm_loadu_si128((const __m128i *)p);
    const __m128i next = _mm_loadu_si128((const __m128i *)(p + 1));
    const __m128i small = _mm_or_si128(here, _mm_set1_epi8(32));
    const __m128i after = _mm_or_si128(next, _mm_set1_epi8(32));
    const __m128i r = _mm_and_si128(SAME(small, 'r'), _mm_or_si128(SAME(after, 'e'), SAME(after, 'i')));
    const __m128i t = _mm_and_si128(SAME(small, 't'), SAME(after, 'r'));
    const __m128i a = _mm_and_si128(SAME(here, 'a'), SAME(next, 'c'));
    const __m128i c = _mm_and_si128(SAME(here, 'C'), SAME(next, 'o'));
    const __m128i m = _mm_and_si128(SAME(here, 'm'), SAME(next, 's'));
    const __m128i other = _mm_or_si128(SAME(here, '\\'), SAME(here, '['));
#undef SAME
    return _mm_movemask_epi8(_mm_or_si128(
        _mm_or_si128(_mm_or_si128(r, t), _mm_or_si128(a, c)), _mm_or_si128(m, other)));
}
#endif

/* Whether a text may be a line of a known shape (`LIKELY` in formats/), or, where REQUESTS are asked
   for, name one: in doubt yes. The text is as it stands between the quotes of JSON. */
static int tells(const uint8_t *p, size_t size, int requests) {
    const uint8_t *end = p + size;
    if (!size) return 0;
    uint8_t first = *p;
    if (first == '[' || first == '<' || first == '\\') return 1;
    int dated = is_digit(first);
    if (dated && size > 1 && p[1] == ' ') return 1;  /* a flow of VPC */
    if (size > 1 && is_digit(p[1]) && (first == 'I' || first == 'W' || first == 'E' || first == 'F'))
        return 1;  /* klog */
    if (size > 4 && p[3] == ' ' && (p[4] == ' ' || is_digit(p[4])) && first >= 'A' && first <= 'Z')
        return 1;  /* Nov  2 */
    const uint8_t *q = p;
    while (q < end && (is_letter(*q) || is_digit(*q) || *q == '_' || *q == '@' || *q == '.' ||
                       *q == '/' || *q == '-' || *q >= 0x80)) q++;
    if (q > p && q < end && *q == '=') return 1;  /* logfmt */
#if defined(__SSE2__)
    for (; end - p > 16; p += 16)
        for (int some = may_tell(p); some; some &= some - 1)
            if (tells_at(p + __builtin_ctz((unsigned)some), end, requests, dated)) return 1;
#endif
    for (; p < end; p++)
        if (tells_at(p, end, requests, dated)) return 1;
    return 0;
}

/* Whether the message may tell what its document does not; in doubt yes. */
static int asks(const Line *s, int is_line) {
    const Plan *plan = s->plan;
    const Value *v = s->values;
    if (plan->message < 0 || v[plan->message].rank == NO_RANK) return 0;
    const Value *message = &v[plan->message];
    if (plan->time != -1 && lacks(v, plan->time)) return 1;
    if (plan->level != -1 && lacks(v, plan->level)) return 1;
    if (is_line && layered(message)) return 1;
    return lacks(v, plan->request) && lacks(v, plan->trace) && tells(message->at, message->size, 1);
}

/* Write the line's values as a row; 0 if one of them turns out to be "none" after all. */
static int row(Line *s, Columns *c, int messages, int suffixed, int64_t *asked) {
    const Plan *plan = s->plan;
    int64_t r = c->rows;
    int64_t used = c->used;
    int proven = 1, collected = wrapped(s, &proven);
    if (!proven) return 0;
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
        put_text(c, view, at, size);
    }
    for (int i = 0; i < c->roles; i++) {
        if (s->values[i].rank == NO_RANK || (i == plan->message && !messages)) c->nulls[i]++;
        else set_bit(c->valid[i], r);
    }
    const Value *time = plan->time < 0 ? NULL : &s->values[plan->time];
    Numbers *instants = &c->number[0];
    int64_t *at = (int64_t *)instants->data + r;
    *at = 0;
    if (time && time->rank != NO_RANK && !time->escaped && instant(time->at, time->size, at))
        set_bit(instants->valid, r);
    else
        instants->nulls++;
    int is_line = collected || (s->message_flags & IS_LINE);
    ((uint8_t *)c->number[1].data)[r] = (uint8_t)(
        (collected ? WRAPPED : 0) | (is_line ? LINE : 0) | (suffixed ? SUFFIXED : 0));
    *asked += asks(s, is_line);
    c->rows++;
    return 1;
}

/* -- text and CRI --------------------------------------------------------------------------- */

/* What is said of texts here follows formats/text.py; in doubt a line is odd. */

enum { JSON_LINES = 0, TEXT_LINES = 1, CRI_LINES = 2 };  /* the same numbers stand in scan.py */

static inline int is_word(uint8_t c) { return is_letter(c) || is_digit(c) || c == '_'; }
static inline int is_blank(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static int alike(const uint8_t *p, const uint8_t *end, const char *word, size_t size) {
    if ((size_t)(end - p) < size) return 0;
    for (size_t i = 0; i < size; i++) if ((p[i] | 32) != (uint8_t)word[i]) return 0;
    return 1;
}

/* How long a time with T and a zone is at P, by its looks; 0: there is none. */
static size_t moment(const uint8_t *p, const uint8_t *end) {
    const uint8_t *begin = p;
    if (end - p < 20 || p[10] != 'T' || p[13] != ':' || p[16] != ':') return 0;
    p += 19;
    if (*p == '.') {
        const uint8_t *fraction = ++p;
        while (p < end && is_digit(*p)) p++;
        if (p == fraction || p - fraction > 9) return 0;
    }
    if (p < end && *p == 'Z') return (size_t)(p + 1 - begin);
    if (end - p < 6 || (*p != '+' && *p != '-') || p[3] != ':') return 0;
    return (size_t)(p + 6 - begin);
}

/* How long the word for a level is at P; 0: there is none. */
static size_t level_word(const uint8_t *p, const uint8_t *end) {
    static const char words[][12] = {
        "info", "debug", "warn", "error", "trace", "fatal", "notice", "warning", "err", "critical",
        "crit", "information", "alert", "panic", "emerg", "emergency", "severe"};
    size_t size = 0;
    while (p + size < end && is_letter(p[size])) size++;
    if (p + size < end && (is_word(p[size]) || p[size] >= 0x80)) return 0;
    if (size < 3 || size > 11) return 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if ((p[0] | 32) == (uint8_t)words[i][0] && !words[i][size] && words[i][size - 1] &&
            alike(p, end, words[i], size)) return size;
    return 0;
}

/* Whether at Q, where "req" stands, is the name of a request's id, with its value in OUT: 1; 0: not;
   -1: can't be said here. */
static int request_at(const uint8_t *begin, const uint8_t *q, const uint8_t *end, Value *out) {
    const uint8_t *before = q;
    if (before - begin >= 2 && (before[-1] == '-' || before[-1] == '_') && (before[-2] | 32) == 'x')
        before -= 2;
    if (before > begin) {
        if (before[-1] >= 0x80) return -1;
        if (is_word(before[-1]) || before[-1] == '-') return 0;
    }
    const uint8_t *p = q + 3;
    if (alike(p, end, "uest", 4)) p += 4;
    if (p < end && (*p == '-' || *p == '_')) p++;
    if (!alike(p, end, "id", 2)) {
        for (int i = 0; i < 3 && p + i < end; i++) if (p[i] >= 0x80) return -1;
        /* The longer name is no name, but the shorter one may be: never with these letters. */
        return 0;
    }
    p += 2;
    if (p < end && *p == '"') p++;
    while (p < end && is_blank(*p)) p++;
    if (p < end && *p >= 0x80) return -1;
    if (p == end || (*p != '=' && *p != ':')) return 0;
    p++;
    while (p < end && is_blank(*p)) p++;
    if (p < end && *p == '"') p++;
    const uint8_t *value = p;
    if (p < end && *p >= 0x80) return -1;
    if (p == end || !is_word(*p)) return 0;
    while (p < end && (is_word(*p) || *p == '.' || *p == '-')) p++;
    if (p < end && *p >= 0x80) return -1;
    *out = (Value){value, (uint32_t)(p - value), 0, 0};
    return 1;
}

/* Find the request in a text without its suffix, and that there is nothing else of note in it:
   a colour, a shape that formats know, a suffix. 0: it can't be proven. */
static int look_through(const uint8_t *begin, const uint8_t *end, Value *request) {
    int found = 0;
    for (const uint8_t *p = begin; p < end; p++) {
#if defined(__SSE2__)
        while (end - p >= 16) {
            __m128i v = _mm_loadu_si128((const __m128i *)p);
            __m128i small = _mm_or_si128(v, _mm_set1_epi8(32));  /* also [ as {, ESC as ; */
            __m128i stop = _mm_or_si128(
                _mm_or_si128(_mm_cmpeq_epi8(small, _mm_set1_epi8('q')),
                             _mm_cmpeq_epi8(small, _mm_set1_epi8('{'))),
                _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('=')),
                             _mm_cmpeq_epi8(v, _mm_set1_epi8(0x1b))));
            int mask = _mm_movemask_epi8(stop);
            if (mask) { p += __builtin_ctz((unsigned)mask); break; }
            p += 16;
        }
        if (p == end) break;
#endif
        size_t before = (size_t)(p - begin), left = (size_t)(end - p);
        switch (*p) {
        case 'q': case 'Q':
            if (!found && before >= 2 && (p[-1] | 32) == 'e' && (p[-2] | 32) == 'r') {
                found = request_at(begin, p - 2, end, request);
                if (found < 0) return 0;
            }
            break;
        case '=':
            if (!found && before >= 3 && alike(p - 3, end, "rid", 3)) return 0;
            if (before >= 11 && !memcmp(p - 11, "ContainerID", 11)) return 0;
            if (left >= 2 && p[1] == '"' && before >= 4 && !memcmp(p - 4, "time", 4)) return 0;
            break;
        case '[':
            if (left >= 4 && is_digit(p[1]) && is_digit(p[2]) && p[3] == '/') return 0;
            break;
        case '{':
            if (left >= 17 && !memcmp(p, "{\"ikontainer_CUID", 17)) return 0;
            break;
        case 0x1b:
            return 0;
        }
    }
    if (found) return 1;
    for (const uint8_t *p = begin; end - p >= 5; p++) {
        p = memchr(p, 'c', (size_t)(end - p) - 1);
        if (!p) break;
        if (p - begin >= 3 && (p[1] | 32) == 'e' && alike(p - 3, end, "tra", 3)) return 0;
    }
    for (const uint8_t *p = begin; end - p >= 5; p++) {
        p = memchr(p, 'C', (size_t)(end - p) - 1);
        if (!p) break;
        if (p - begin >= 3 && (p[1] | 32) == 'e' && alike(p - 3, end, "tra", 3)) return 0;
    }
    return 1;
}

/* Read a text from BEGIN to END: a time, a level, maybe a request and a suffix. */
static int plain(Line *s, const uint8_t *begin, const uint8_t *end) {
    static const char opening[] = "{\"ikontainer_CUID\":\"", between[] = "\",\"svc\":\"";
    const Plan *plan = s->plan;
    Value *v = s->values;
    if (end > begin && end[-1] == '\r') end--;
    if (plan->time < 0 || plan->cuid < 0 || plan->svc < 0) return 0;
    size_t size = moment(begin, end);
    const uint8_t *p = begin + size;
    if (!size || p == end || *p != ' ') return 0;
    v[plan->time] = (Value){begin, (uint32_t)size, 0, 0};
    size = level_word(++p, end);
    if (!size) return 0;
    if (plan->level >= 0) v[plan->level] = (Value){p, (uint32_t)size, 0, 0};
    p += size;
    if (p < end && (*p == ' ' || *p == '\t')) {  /* ztunnel's */
        const uint8_t *next = p;
        while (next < end && (*next == ' ' || *next == '\t')) next++;
        if (alike(next, end, "access", 6)) return 0;
    }
    const uint8_t *body = end;
    if (end - p > 2 && end[-1] == '}') {
        /* Suffixes are of one length, mostly. */
        const uint8_t *brace = end - s->suffix;
        if (!s->suffix || end - p <= s->suffix || *brace != '{' ||
            memchr(brace + 1, '{', (size_t)(end - brace) - 1))
            for (brace = end - 1; brace > p && *brace != '{'; brace--) {}
        if ((size_t)(end - brace) > sizeof opening && !memcmp(brace, opening, sizeof opening - 1)) {
            uint8_t escaped = 0;
            const uint8_t *cuid = s->p = brace + sizeof opening - 1;
            if (!text(s, &escaped) || s->p >= end) return 0;
            const uint8_t *behind = s->p - 1;
            if (behind == cuid || (size_t)(end - behind) < sizeof between ||
                memcmp(behind, between, sizeof between - 1)) return 0;
            const uint8_t *svc = s->p = behind + sizeof between - 1;
            if (!text(s, &escaped) || escaped || s->p - 1 == svc || s->p + 1 != end) return 0;
            v[plan->cuid] = (Value){cuid, (uint32_t)(behind - cuid), 0, 0};
            v[plan->svc] = (Value){svc, (uint32_t)(s->p - 1 - svc), 0, 0};
            body = brace;
            s->suffix = end - brace;
        }
    }
    Value request = {0, 0, NO_RANK, 0};
    if (!look_through(p, body, &request)) return 0;
    if (request.rank != NO_RANK) {
        if (plan->request < 0) return 0;
        v[plan->request] = request;
    }
    s->body = (Value){begin, (uint32_t)(body - begin), 0, 0};
    return 1;
}

static void no_values(Line *s) {
    s->flags = s->message_flags = s->odd = 0;
    s->body.rank = NO_RANK;
    for (int i = 0; i < s->plan->roles; i++) s->values[i].rank = NO_RANK;
    s->stamp.rank = NO_RANK;
}

/* -- addresses in a text --------------------------------------------------------------------- */

/* What is said of texts here follows enrich/mentions.py; in doubt a line is odd. */

enum { MOST_ADDRESSES = 32 };

static inline int is_hex(uint8_t c) { return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f'); }

/* Four numbers from 0 to 255 with points between and nothing else, as one; 0: they are none. */
static int quad(const uint8_t *p, const uint8_t *end, uint32_t *out) {
    uint32_t all = 0;
    for (int i = 0; i < 4; i++) {
        if (i && (p == end || *p++ != '.')) return 0;
        const uint8_t *start = p;
        uint32_t part = 0;
        for (; p < end && p - start < 3 && is_digit(*p); p++) part = part * 10 + (*p - '0');
        if (p == start || part > 255 || (*start == '0' && p - start > 1)) return 0;
        all = all << 8 | part;
    }
    *out = all;
    return p == end;
}

/* The IPv4 addresses in a text, each once, behind the COUNT that are in FOUND; how many there are
   then, or -1: it can't be said here, as where one of IPv6 may be. */
static int addresses(const uint8_t *begin, size_t size, uint32_t *found, int count) {
    const uint8_t *end = begin + size, *done = begin, *colon = NULL;
    int groups = 0;  /* of hexadecimal digits with a colon behind, one after the other */
    for (const uint8_t *p = begin; p < end; p++) {
#if defined(__SSE2__)
        while (end - p >= 16) {
            __m128i v = _mm_loadu_si128((const __m128i *)p);
            int mask = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('.')),
                                                      _mm_cmpeq_epi8(v, _mm_set1_epi8(':'))));
            if (mask) { p += __builtin_ctz((unsigned)mask); break; }
            p += 16;
        }
        if (p == end) break;
#endif
        if (*p == ':') {
            if (end - p > 1 && p[1] == ':') return -1;
            const uint8_t *q = p;
            while (q > begin && p - q < 5 && is_hex(q[-1])) q--;
            /* The first group may be the end of a longer word. */
            groups = q == p ? 0 : groups && q == colon + 1 && p - q < 5 ? groups + 1 : 1;
            colon = p;
            if (groups == 6) return -1;
            continue;
        }
        if (*p != '.' || p == begin || !is_digit(p[-1]) || end - p < 2 || !is_digit(p[1])) continue;
        const uint8_t *from = p, *to = p;
        int points = 0;
        while (from > done && (is_word(from[-1]) || from[-1] == '.')) from--;
        while (to < end && (is_word(*to) || *to == '.')) points += *to++ == '.';
        done = p = to;
        p--;
        if (points < 3) continue;
        if (end - to > 1 && *to == '/' && is_digit(to[1])) return -1;  /* a network, or a version */
        uint32_t ip;
        const uint8_t *last = to - (to[-1] == '.');
        if (!quad(from, last, &ip)) continue;
        if (from - begin > 1 && from[-1] == '/' && is_letter(from[-2]) && last == to &&
            !(ip & 0xFFFFFF)) continue;  /* a version: Chrome/120.0.0.0 */
        int i = 0;
        while (i < count && found[i] != ip) i++;
        if (i < count) continue;
        if (count == MOST_ADDRESSES) return -1;
        found[count++] = ip;
    }
    return count;
}

/* -- groups --------------------------------------------------------------------------------- */

/* What a role is to a line that is to be grouped: no matter; tells who wrote it; takes the exact
   reader; mentions addresses. */
enum { BESIDE = 0, KEY = 1, RARE = 2, MENTIONS = 3 };

typedef struct {
    uint64_t hash;
    int64_t lines, first, last, first_line, last_line;  /* times in nanoseconds; lines from 0 */
    size_t keys;  /* where its texts are among KEPT: for each key its size (-1: null) and bytes */
} Group;

enum { SEEN_BITS = 15 };

typedef struct {
    int keys;
    int32_t key[MOST_ROLES];
    const uint8_t *uses;
    Group *group;
    int32_t count, room;
    uint8_t *kept;
    size_t used, space;
    int32_t *table;          /* open addressing: group, or -1 */
    uint32_t mask;
    /* Requests of groups, each at least once: SEEN has one for each SEEN_BITS of its bits, the last
       one, for what comes again comes soon. BY_LINE: a pair for each line instead, its request may
       be 0, and with its time, number, document (or 0), and where the request's id stands. */
    uint64_t *seen, *request, *document;
    uint32_t *of, *id_at, *id_size;
    uint8_t *fresh;          /* BY_LINE: what `is_fresh` says of the request */
    int64_t *at, *number;
    int64_t pairs, pair_room;
    int by_line;
    /* With by_line: the addresses that lines mention, each once a line: the line's pair and it. */
    uint32_t *spot_of, *spot;
    int64_t spots, spot_room;
    int mentions;            /* whether they are asked for */
    int64_t latest;          /* the time of the last line that was grouped since an odd one */
    uint8_t minute[17];      /* of the last time that was read, and where its seconds count from */
    int64_t since;
} Groups;

static void groups_free(Groups *g) {
    if (!g) return;
    free(g->group); free(g->kept); free(g->table); free(g->seen); free(g->request); free(g->of);
    free(g->document); free(g->at); free(g->number); free(g->id_at); free(g->id_size);
    free(g->fresh); free(g->spot_of); free(g->spot);
    free(g);
}

static Groups *groups_new(const uint8_t *uses, int roles, int by_line) {
    Groups *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->uses = uses, g->by_line = by_line;
    for (int i = 0; i < roles; i++) {
        if (uses[i] == KEY) g->key[g->keys++] = i;
        if (uses[i] == MENTIONS) g->mentions = by_line;
    }
    g->room = 256, g->mask = 1023, g->space = 1 << 16, g->pair_room = 1 << 12;
    g->latest = INT64_MIN;
    g->group = malloc((size_t)g->room * sizeof(Group));
    g->kept = malloc(g->space);
    g->table = malloc(((size_t)g->mask + 1) * sizeof(int32_t));
    g->seen = calloc((size_t)1 << SEEN_BITS, sizeof(uint64_t));
    g->request = malloc((size_t)g->pair_room * sizeof(uint64_t));
    g->of = malloc((size_t)g->pair_room * sizeof(uint32_t));
    int enough = g->group && g->kept && g->table && g->seen && g->request && g->of;
    if (by_line) {
        g->at = malloc((size_t)g->pair_room * sizeof(int64_t));
        g->number = malloc((size_t)g->pair_room * sizeof(int64_t));
        g->document = malloc((size_t)g->pair_room * sizeof(uint64_t));
        g->id_at = malloc((size_t)g->pair_room * sizeof(uint32_t));
        g->id_size = malloc((size_t)g->pair_room * sizeof(uint32_t));
        g->fresh = malloc((size_t)g->pair_room);
        g->spot_room = g->pair_room;
        g->spot_of = malloc((size_t)g->spot_room * sizeof(uint32_t));
        g->spot = malloc((size_t)g->spot_room * sizeof(uint32_t));
        enough = enough && g->at && g->number && g->document && g->id_at && g->id_size &&
                 g->fresh && g->spot_of && g->spot;
    }
    if (!enough) { groups_free(g); return NULL; }
    memset(g->table, -1, ((size_t)g->mask + 1) * sizeof(int32_t));
    return g;
}

static inline uint64_t mix(uint64_t a, uint64_t b) {
#if defined(__SIZEOF_INT128__)
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    a ^= b ^ a >> 32;
    a *= 0x9E3779B97F4A7C15u;
    a ^= a >> 29;
    a *= 0xBF58476D1CE4E5B9u;
    return a ^ a >> 32;
#endif
}

static inline uint64_t eight(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }

/* 64 bits of some bytes, in the manner of wyhash (public domain). */
static inline uint64_t bits_of(const uint8_t *p, size_t size, uint64_t seed) {
    uint64_t h = seed ^ 0xA0761D6478BD642Fu, a = 0, b = 0;
    size_t left = size;
    for (; left > 16; left -= 16, p += 16) h = mix(eight(p) ^ 0xE7037ED1A0B428DBu, eight(p + 8) ^ h);
    if (left >= 8) a = eight(p), b = eight(p + left - 8);
    else memcpy(&a, p, left);
    return mix(a ^ 0x8EBC6AF09C88C6E3u, mix(b ^ h, size ^ 0x589965CC75374CC3u));
}

enum { LONGEST_REQUEST = 256 };

/* 64 bits of a request's id, without case and dashes; 0: it is not ASCII, or very long. */
static uint64_t request_bits(const uint8_t *p, size_t size) {
    uint8_t plain[LONGEST_REQUEST];
    size_t n = 0;
    uint8_t any = 0;
    if (size > sizeof plain) return 0;
#if defined(__SSE2__)
    if (size == 36 && p[8] == '-' && p[13] == '-' && p[18] == '-' && p[23] == '-') {  /* a UUID */
        memcpy(plain, p, 8);
        memcpy(plain + 8, p + 9, 4);
        memcpy(plain + 12, p + 14, 4);
        memcpy(plain + 16, p + 19, 4);
        memcpy(plain + 20, p + 24, 12);
        int odd = 0;
        for (int i = 0; i < 32; i += 16) {
            __m128i v = _mm_loadu_si128((const __m128i *)(plain + i));
            odd |= _mm_movemask_epi8(_mm_or_si128(v, _mm_cmpeq_epi8(v, _mm_set1_epi8('-'))));
            __m128i capital = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('A' - 1)),
                                            _mm_cmplt_epi8(v, _mm_set1_epi8('Z' + 1)));
            v = _mm_add_epi8(v, _mm_and_si128(capital, _mm_set1_epi8(32)));
            _mm_storeu_si128((__m128i *)(plain + i), v);
        }
        if (!odd) return bits_of(plain, 32, 0) | 1;
    }
#endif
    for (size_t i = 0; i < size; i++) {
        uint8_t c = p[i];
        any |= c;
        plain[n] = (uint8_t)(c + (c >= 'A' && c <= 'Z' ? 32 : 0));
        n += c != '-';
    }
    return any & 0x80 ? 0 : bits_of(plain, n, 0) | 1;
}

/* Room for SIZE bytes; 0: no memory, and what was there stays. */
static int grow(void *column, size_t size) {
    void **at = column, *more = realloc(*at, size);
    if (more) *at = more;
    return !!more;
}

/* Room for so many pairs; 0: no memory. */
static int grow_pairs(Groups *g, size_t room) {
    if (!grow(&g->request, room * sizeof(uint64_t)) || !grow(&g->of, room * sizeof(uint32_t)))
        return 0;
    if (g->by_line && (!grow(&g->at, room * sizeof(int64_t)) ||
                       !grow(&g->number, room * sizeof(int64_t)) ||
                       !grow(&g->document, room * sizeof(uint64_t)) ||
                       !grow(&g->id_at, room * sizeof(uint32_t)) ||
                       !grow(&g->id_size, room * sizeof(uint32_t)) ||
                       !grow(&g->fresh, room))) return 0;
    g->pair_room = (int64_t)room;
    return 1;
}

/* Whether it seems new that GROUP has this request; what was told long ago may seem so again. */
static int is_fresh(Groups *g, uint32_t group, uint64_t request) {
    uint64_t both = mix(request, group + 0x9E3779B97F4A7C15u) | 1;
    uint64_t *seen = &g->seen[both >> (64 - SEEN_BITS)];
    if (*seen == both) return 0;
    *seen = both;
    return 1;
}

/* Note that the last pair mentions these addresses; 0: no memory. */
static int note_spots(Groups *g, const uint32_t *found, int count) {
    if (g->spots + count > g->spot_room) {
        size_t room = (size_t)g->spot_room * 2 + MOST_ADDRESSES;
        if (!grow(&g->spot_of, room * sizeof(uint32_t)) || !grow(&g->spot, room * sizeof(uint32_t)))
            return 0;
        g->spot_room = (int64_t)room;
    }
    for (int i = 0; i < count; i++) {
        g->spot_of[g->spots] = (uint32_t)(g->pairs - 1);
        g->spot[g->spots++] = found[i];
    }
    return 1;
}

/* `addresses` of all that a line says; -1: it can't be said here. */
static int mentioned(const Line *s, const Groups *g, uint32_t *found) {
    const Plan *plan = s->plan;
    int count = 0;
    if (s->body.rank != NO_RANK) count = addresses(s->body.at, s->body.size, found, 0);
    for (int i = 0; count >= 0 && i < plan->roles; i++) {
        const Value *v = &s->values[i];
        if (g->uses[i] != MENTIONS || v->rank == NO_RANK || v->escaped == 2) continue;
        uint8_t plain[4096];
        const uint8_t *at = v->at;
        size_t size = v->size;
        if (v->escaped) {
            if (size > sizeof plain) return -1;
            size = unescape(at, size, plain);
            at = plain;
        }
        /* A line of an access log has its addresses in roles. */
        if (i == plan->message && tells(at, size, 0)) return -1;
        count = addresses(at, size, found, count);
    }
    return count;
}

static int same_keys(const Groups *g, const Group *group, const Value *values,
                     const uint8_t *end) {
    const uint8_t *p = g->kept + group->keys;
    for (int k = 0; k < g->keys; k++) {
        const Value *v = &values[g->key[k]];
        int32_t size;
        memcpy(&size, p, sizeof size);
        p += sizeof size;
        if (size != (v->rank == NO_RANK ? -1 : (int32_t)v->size)) return 0;
        if (size > 0) {
            if (!same(p, v->at, (size_t)size, end ? end : v->at)) return 0;
            p += size;
        }
    }
    return 1;
}

static int32_t group_new(Groups *g, uint64_t hash, const Value *values) {
    size_t need = 0;
    for (int k = 0; k < g->keys; k++) {
        const Value *v = &values[g->key[k]];
        need += sizeof(int32_t) + (v->rank == NO_RANK ? 0 : v->size);
    }
    if (g->used + need + 16 > g->space) {  /* `same` reads a little more */
        size_t space = (g->used + need + 16) * 2;
        void *more = realloc(g->kept, space);
        if (!more) return -1;
        g->kept = more, g->space = space;
    }
    if (g->count == g->room) {
        void *more = realloc(g->group, (size_t)g->room * 2 * sizeof(Group));
        if (!more) return -1;
        g->group = more, g->room *= 2;
    }
    if ((uint32_t)g->count * 2 > g->mask) {
        uint32_t mask = g->mask * 2 + 1;
        int32_t *table = malloc(((size_t)mask + 1) * sizeof(int32_t));
        if (!table) return -1;
        memset(table, -1, ((size_t)mask + 1) * sizeof(int32_t));
        for (int32_t i = 0; i < g->count; i++) {
            uint32_t at = (uint32_t)g->group[i].hash & mask;
            while (table[at] >= 0) at = (at + 1) & mask;
            table[at] = i;
        }
        free(g->table);
        g->table = table, g->mask = mask;
    }
    Group *group = &g->group[g->count];
    *group = (Group){hash, 0, INT64_MAX, INT64_MIN, INT64_MAX, -1, g->used};
    for (int k = 0; k < g->keys; k++) {
        const Value *v = &values[g->key[k]];
        int32_t size = v->rank == NO_RANK ? -1 : (int32_t)v->size;
        memcpy(g->kept + g->used, &size, sizeof size);
        g->used += sizeof size;
        if (size > 0) memcpy(g->kept + g->used, v->at, (size_t)size), g->used += (size_t)size;
    }
    uint32_t at = (uint32_t)hash & g->mask;
    while (g->table[at] >= 0) at = (at + 1) & g->mask;
    g->table[at] = g->count;
    return g->count++;
}

/* `instant`, but a minute that came just before is not read again. */
static int instant_near(Groups *g, const uint8_t *p, size_t size, int64_t *out) {
    if (size >= 20 && p[size - 1] == 'Z') {
        if (eight(g->minute) == eight(p) && eight(g->minute + 8) == eight(p + 8) && p[16] == ':') {
            static const int32_t scale[] = {0, 100000000, 10000000, 1000000, 100000, 10000, 1000,
                                            100, 10, 1};
            if (size == 24 && p[19] == '.') {  /* milliseconds, as most have */
                const unsigned a = p[17] - '0', b = p[18] - '0';
                const unsigned c = p[20] - '0', d = p[21] - '0', e = p[22] - '0';
                if ((a > 5) | (b > 9) | (c > 9) | (d > 9) | (e > 9)) return 0;
                const int millis = (int)((a * 10 + b) * 1000 + c * 100 + d * 10 + e);
                *out = g->since + millis * INT64_C(1000000);
                return 1;
            }
            const int seconds = digits(p + 17, 2);
            const uint8_t *at = p + 19, *end = p + size - 1;
            int64_t nanos = 0;
            if (seconds < 0 || seconds > 59) return 0;
            if (at < end) {
                const int64_t count = end - at - 1;
                if (*at != '.' || count < 1 || count > 9) return 0;
                for (at++; at < end && is_digit(*at); at++) nanos = nanos * 10 + (*at - '0');
                if (at < end) return 0;
                nanos *= scale[count];
            }
            *out = g->since + seconds * INT64_C(1000000000) + nanos;
            return 1;
        }
        if (!instant(p, size, out)) return 0;
        uint8_t start[] = "0000-00-00T00:00:00Z";
        memcpy(start, p, 17);
        if (instant(start, 20, &g->since)) memcpy(g->minute, p, 17);
        return 1;
    }
    return instant(p, size, out);
}

/* What a line is to its group. */
typedef struct {
    int64_t line, time;
    uint64_t request, document;  /* bits of them; 0: none */
    uint32_t id_at, id_size;     /* where in the block the request's id stands, if it is in one */
    int spotted;
    const uint32_t *spots;       /* the addresses that it mentions */
} Told;

enum { NO_MEMORY = -1, NOT_HERE = -2 };

/* The group of a line by its roles, made if it is new; or one of the above. */
static int32_t group_of(Groups *g, const Value *values, int roles, const uint8_t *end) {
    uint64_t hash = 0;
    for (int i = 0; i < roles; i++) {
        const Value *v = &values[i];
        if (v->rank == NO_RANK || g->uses[i] == BESIDE || g->uses[i] == MENTIONS) continue;
        if (v->escaped || g->uses[i] == RARE) return NOT_HERE;
        hash = bits_of(v->at, v->size, hash ^ ((uint64_t)(i + 1) << 56));
    }
    for (uint32_t at = (uint32_t)hash & g->mask; g->table[at] >= 0; at = (at + 1) & g->mask) {
        const Group *group = &g->group[g->table[at]];
        if (group->hash == hash && same_keys(g, group, values, end)) return g->table[at];
    }
    return group_new(g, hash, values);
}

/* Take the request and the document of a line of DATA (NULL: a row); whether they can be had here. */
static int take_ids(const Groups *g, const Plan *plan, const Value *values, const uint8_t *data,
                    Told *told) {
    const Value *id = lacks(values, plan->request) ? NULL : &values[plan->request];
    if (!id) id = lacks(values, plan->trace) ? NULL : &values[plan->trace];
    told->request = told->document = 0, told->id_at = told->id_size = 0;
    if (id) {
        if (id->escaped || !(told->request = request_bits(id->at, id->size))) return 0;
        told->id_at = data ? (uint32_t)(id->at - data) : 0, told->id_size = id->size;
    }
    if (lacks(values, plan->id)) return 1;
    const Value *own = &values[plan->id];
    uint64_t index = bits_of((const uint8_t *)"", 0, 0) | 1;
    if (!lacks(values, plan->index)) {
        const Value *in = &values[plan->index];
        if (in->escaped) return 0;
        index = bits_of(in->at, in->size, 0) | 1;
    }
    if (own->escaped || !g->by_line) return 0;
    told->document = bits_of(own->at, own->size, index) | 1;
    return 1;
}

/* Count a line for GROUP; 0: no memory. */
static int count(Groups *g, int32_t found, const Told *told) {
    int fresh = told->request ? is_fresh(g, (uint32_t)found, told->request) : 0;
    if (fresh || g->by_line) {
        if (g->pairs == g->pair_room && !grow_pairs(g, (size_t)g->pair_room * 2)) return 0;
        int64_t at = g->pairs++;
        g->of[at] = (uint32_t)found, g->request[at] = told->request;
        if (g->by_line) {
            g->at[at] = told->time, g->number[at] = told->line, g->document[at] = told->document;
            g->id_at[at] = told->id_at, g->id_size[at] = told->id_size;
            g->fresh[at] = (uint8_t)fresh;
            if (told->spotted && !note_spots(g, told->spots, told->spotted)) return 0;
        }
    }
    Group *group = &g->group[found];
    if (!group->lines++) group->first_line = told->line;
    group->last_line = told->line;
    if (told->time < group->first) group->first = told->time;
    if (told->time > group->last) group->last = told->time;
    g->latest = told->time;
    return 1;
}

/* Count the line that stands in DATA for its group: 1; 0: it is odd after all; -1: no memory. */
static int grouped(Line *s, Groups *g, int64_t line, const uint8_t *data) {
    const Plan *plan = s->plan;
    Value *values = s->values;
    int proven = 1, collected = wrapped(s, &proven);
    if (!proven || lacks(values, plan->time)) return 0;
    const Value *time = &values[plan->time];
    Told told;
    uint32_t spots[MOST_ADDRESSES];
    told.line = line, told.spots = spots;
    if (time->escaped || !instant_near(g, time->at, time->size, &told.time)) return 0;
    if (asks(s, collected || (s->message_flags & IS_LINE))) return 0;
    if (!take_ids(g, plan, values, data, &told)) return 0;
    told.spotted = g->mentions ? mentioned(s, g, spots) : 0;
    if (told.spotted < 0) return 0;
    int32_t found = group_of(g, values, plan->roles, s->end);
    if (found < 0) return found == NO_MEMORY ? -1 : 0;
    return count(g, found, &told) ? 1 : -1;
}

/* The groups as columns: the roles' texts, then lines, first, last, first_line, last_line. */
static Columns *groups_columns(const Groups *g, int roles) {
    Columns *c = columns_new(roles, g->count, (int64_t)g->used);
    int64_t *out[5] = {0};
    for (int i = 0; c && i < 5; i++) {
        Numbers *n = numbers_new(c, "l", sizeof(int64_t), 0);
        if (!n) { columns_free(c); return NULL; }
        out[i] = n->data;
    }
    if (!c) return NULL;
    for (; c->rows < g->count; c->rows++) {
        const Group *group = &g->group[c->rows];
        const uint8_t *p = g->kept + group->keys;
        for (int i = 0, k = 0; i < roles; i++) {
            View *view = &c->views[i][c->rows];
            int32_t size = -1;
            if (k < g->keys && g->key[k] == i) {
                memcpy(&size, p, sizeof size);
                p += sizeof size, k++;
            }
            if (size < 0) {
                memset(view, 0, sizeof *view);
                c->nulls[i]++;
                continue;
            }
            put_text(c, view, p, (size_t)size);
            set_bit(c->valid[i], c->rows);
            p += size;
        }
        out[0][c->rows] = group->lines, out[1][c->rows] = group->first;
        out[2][c->rows] = group->last;
        out[3][c->rows] = group->first_line, out[4][c->rows] = group->last_line;
    }
    return c;
}

/* The requests of groups as columns, which take them over: group, request. */
static Columns *pairs_columns(Groups *g) {
    Columns *c = columns_new(0, 0, 0);
    if (!c) return NULL;
    c->rows = c->capacity = g->pairs;
    c->number[0] = (Numbers){"I", g->of, NULL, 0};
    c->number[1] = (Numbers){"L", g->request, NULL, 0};
    c->numbers = 2;
    g->of = NULL, g->request = NULL;
    if (g->by_line) {
        c->number[2] = (Numbers){"l", g->at, NULL, 0};
        c->number[3] = (Numbers){"l", g->number, NULL, 0};
        c->number[4] = (Numbers){"L", g->document, NULL, 0};
        c->number[5] = (Numbers){"I", g->id_at, NULL, 0};
        c->number[6] = (Numbers){"I", g->id_size, NULL, 0};
        c->number[7] = (Numbers){"C", g->fresh, NULL, 0};
        c->numbers = 8;
        g->fresh = NULL;
        g->at = g->number = NULL, g->document = NULL, g->id_at = g->id_size = NULL;
    }
    return c;
}

/* The mentions of lines as columns, which take them over: the line's place among the pairs, ip. */
static Columns *spots_columns(Groups *g) {
    Columns *c = columns_new(0, 0, 0);
    if (!c) return NULL;
    c->rows = c->capacity = g->spots;
    c->number[0] = (Numbers){"I", g->spot_of, NULL, 0};
    c->number[1] = (Numbers){"I", g->spot, NULL, 0};
    c->numbers = 2;
    g->spot_of = g->spot = NULL;
    return c;
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

/* A struct of the texts, then the numbers. Owns COLUMNS from here on; 0: no memory. */
static int as_arrow(Columns *c, struct ArrowSchema *schema, struct ArrowArray *array) {
    Shared *shared = calloc(1, sizeof *shared);
    if (!shared) { columns_free(c); return 0; }
    shared->columns = c;
    shared->holders = 1;
    int count = c->roles + c->numbers;
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
        ok = s && a && fill_schema(s, at < 0 ? "vu" : c->number[at].format, name) &&
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
            const Numbers *n = &c->number[at];
            a->null_count = n->nulls;
            column->buffers[0] = n->nulls ? n->valid : NULL;
            column->buffers[1] = n->data;
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

/* END is the newline's place; BEFORE the time of the last line that was grouped since the odd line
   before, INT64_MIN: none was. */
typedef struct { int64_t line, start, end, before; } Odd;

typedef struct {
    int64_t lines, odds, asks, unknowns;
    int64_t latest;     /* the time of the last line that was grouped since an odd one, as BEFORE */
    Odd *odd;           /* places of lines that are not proven */
    Unknown *unknown;   /* keys that the plan does not have, as they stand in the data */
} Found;

EXPORT void cuidx_found_free(Found *found) {
    free(found->odd);
    free(found->unknown);
    memset(found, 0, sizeof *found);
}

static void line_free(Line *s) {
    if (!s) return;
    free(s->follow); free(s->seen); free(s);
}

static Line *line_new(const Plan *plan, const uint8_t *end) {
    size_t entries = (size_t)plan->count + (size_t)plan->contexts + 1;
    Line *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->plan = plan;
    s->end = end;
    s->follow = malloc(entries * sizeof(int32_t));
    s->seen = calloc(entries, sizeof(int64_t));
    if (!s->follow || !s->seen) { line_free(s); return NULL; }
    memset(s->follow, -1, entries * sizeof(int32_t));
    return s;
}

/* Read the line at BEGIN, number LINE from 0; whether it is proven. */
static int document(Line *s, const uint8_t *begin, int64_t line, int *suffixed) {
    s->p = begin;
    s->line = line + 1;
    no_values(s);
    *suffixed = 0;
    if (*s->p != '{') return 0;
    int unknowns = s->unknowns;
    s->p++;
    if (!object(s, 0, 0)) {
        s->unknowns = unknowns;  /* no JSON: these are no keys */
        return 0;
    }
    if (*s->p == '{' && !(*suffixed = suffix(s, begin))) return 0;
    skip_blanks(s);
    return *s->p == '\n' && !s->odd;
}

/* Note an odd line; 0: no memory. ROOM is how many there is room for. */
static int note_odd(Found *found, int64_t *room, Groups *groups, Odd odd) {
    if (found->odds == *room) {
        *room = *room ? *room * 2 : 64;
        if (!grow(&found->odd, (size_t)*room * sizeof(Odd))) return 0;
    }
    odd.before = groups ? groups->latest : INT64_MIN;
    found->odd[found->odds++] = odd;
    if (groups) groups->latest = INT64_MIN;
    return 1;
}

/* Read a line of text; END is its newline. */
static int text_line(Line *s, const uint8_t *begin, const uint8_t *end) {
    no_values(s);
    return plain(s, begin, end);
}

/* Read a line as a container runtime writes it: a time, stdout or stderr, P or F, the program's
   line. OPEN says of each stream whether a record is in pieces: all of them are odd. */
static int cri_line(Line *s, const uint8_t *begin, const uint8_t *end, int64_t line, int open[2]) {
    no_values(s);
    const uint8_t *p = memchr(begin, ' ', (size_t)(end - begin));
    if (!p || end - p < 9 || memcmp(p + 1, "std", 3)) return 0;
    int err = !memcmp(p + 4, "err ", 4);
    if (!err && memcmp(p + 4, "out ", 4)) return 0;
    if (p[8] == 'P') open[err] = 1;  /* whether or not it is a record: in doubt they are odd */
    size_t size = moment(begin, end);
    int64_t now;
    if (p[8] != 'F' || end - p < 10 || p[9] != ' ' || end[-1] == '\r' ||
        size != (size_t)(p - begin) || !instant(begin, size, &now)) return 0;
    if (open[err]) { open[err] = 0; return 0; }
    const uint8_t *text = p + 10;
    if (text == end) return 0;
    int suffixed = 0;
    if (s->plan->time < 0) return 0;
    if (*text == '{') {
        if (!document(s, text, line, &suffixed)) return 0;
    } else {
        /* What stands behind a time counts as a level; that time itself is not needed. */
        if (!plain(s, text, end)) return 0;
        const Value *inner = &s->values[s->plan->time];
        if (!instant(inner->at, inner->size, &now)) return 0;
    }
    s->p = end;
    s->values[s->plan->time] = (Value){begin, (uint32_t)size, 0, 0};
    s->stamp.rank = NO_RANK;
    return 1;
}

/* The lines as rows (COLUMNS) or in groups, one of which is given; 0: no memory. */
static int walk(const uint8_t *data, int64_t length, const Plan *plan, int shape, int messages,
                Found *found, Columns *columns, Groups *groups) {
    const uint8_t *end = data + length, *next = data;
    Line *s = line_new(plan, end);
    int enough = !!s;
    int64_t room = 0, line = 0;
    int open[2] = {0, 0};
    for (; enough && next < end; line++) {
        const uint8_t *begin = next, *stop = NULL;
        int suffixed = 0, proven;
        if (shape == JSON_LINES) {
            proven = document(s, begin, line, &suffixed);
        } else {
            stop = memchr(begin, '\n', (size_t)(end - begin));
            proven = shape == CRI_LINES ? cri_line(s, begin, stop, line, open)
                                        : text_line(s, begin, stop);
        }
        if (proven && groups) {
            int counted = grouped(s, groups, line, data);
            if (counted < 0) { enough = 0; break; }
            proven = counted;
        } else if (proven) {
            proven = row(s, columns, messages, suffixed, &found->asks);
        }
        /* A string never crosses a newline, so a proven line ends where it was read to. */
        if (!stop)
            stop = proven ? s->p : (const uint8_t *)memchr(begin, '\n', (size_t)(end - begin));
        next = stop + 1;
        if (proven) continue;
        if (columns) odd_row(columns);
        if (!note_odd(found, &room, groups, (Odd){line, begin - data, next - 1 - data, 0})) enough = 0;
    }
    found->lines = line;
    found->latest = groups ? groups->latest : INT64_MIN;
    if (enough && s->unknowns) {
        found->unknown = malloc((size_t)s->unknowns * sizeof(Unknown));
        enough = !!found->unknown;
        if (enough) {
            memcpy(found->unknown, s->unknown, (size_t)s->unknowns * sizeof(Unknown));
            found->unknowns = s->unknowns;
        }
    }
    line_free(s);
    return enough;
}

static int fits(const uint8_t *data, int64_t length) {
    return length >= 1 && length <= INT32_MAX && data[length - 1] == '\n';
}

/* DATA is whole lines, less than 2 GiB, the last one with its newline too. FOUND.asks says in how
   many rows the message may tell what the document does not; without MESSAGES its column is null
   throughout. Columns are the roles, then instant and flags.
   0: done; 1: no memory; 2: DATA is not as it must be. */
EXPORT int cuidx_scan(const uint8_t *data, int64_t length, const Plan *plan, int messages,
                      Found *found, struct ArrowSchema *schema, struct ArrowArray *array) {
    memset(found, 0, sizeof *found);
    memset(schema, 0, sizeof *schema);
    memset(array, 0, sizeof *array);
    if (!fits(data, length)) return 2;
    int64_t lines = 0;
    for (const uint8_t *p = data, *end = data + length; p < end; lines++)
        p = (const uint8_t *)memchr(p, '\n', (size_t)(end - p)) + 1;
    Columns *columns = columns_new(plan->roles, lines, length);
    int enough = columns && numbers_new(columns, "l", sizeof(int64_t), 1) &&
                 numbers_new(columns, "C", 1, 0) &&
                 walk(data, length, plan, JSON_LINES, messages, found, columns, NULL);
    if (enough) enough = as_arrow(columns, schema, array);
    else columns_free(columns);
    if (!enough) cuidx_found_free(found);
    return !enough;
}

/* What a block of lines in groups is given as. */
enum { GROUPS = 0, PAIRS = 1, SPOTS = 2, TABLES = 3 };

/* Give GROUPS and what belongs to them, and free them; 0: no memory. */
static int told(Groups *groups, int roles, int enough, Found *found, struct ArrowSchema *schemas,
                struct ArrowArray *arrays) {
    for (int i = 0; enough && i < TABLES; i++) {
        Columns *columns = i == GROUPS ? groups_columns(groups, roles)
                         : i == PAIRS ? pairs_columns(groups) : spots_columns(groups);
        enough = columns && as_arrow(columns, &schemas[i], &arrays[i]);
    }
    groups_free(groups);
    if (!enough) cuidx_found_free(found);
    return enough;
}

/* So that whoever asked may free all of it, whatever comes out. */
static void found_nothing(Found *found, struct ArrowSchema *schemas, struct ArrowArray *arrays) {
    memset(found, 0, sizeof *found);
    memset(schemas, 0, TABLES * sizeof *schemas);
    memset(arrays, 0, TABLES * sizeof *arrays);
}

/* The same, but lines are grouped by the roles that are keys in USES. What a message may tell, a
   line without a usual time and one with a rare role is odd here. There are TABLES tables: groups
   are the roles, then lines, first and last time, first and last line; pairs are group and request,
   each once, or BY_LINE group, request (0: none), time, line (from 0), document (0: none), and where
   in DATA the request's id stands, how long it is, and whether the group has that request for the
   first time, of each line; spots are a line's place among
   the pairs and an address (IPv4, as a number) that it mentions, each once. */
EXPORT int cuidx_group(const uint8_t *data, int64_t length, const Plan *plan, int shape,
                       int by_line, const uint8_t *uses, Found *found, struct ArrowSchema *schemas,
                       struct ArrowArray *arrays) {
    found_nothing(found, schemas, arrays);
    if (!fits(data, length)) return 2;
    Groups *groups = groups_new(uses, plan->roles, by_line);
    int enough = groups && walk(data, length, plan, shape, 0, found, NULL, groups);
    return !told(groups, plan->roles, enough, found, schemas, arrays);
}

/* -- texts ---------------------------------------------------------------------------------- */

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

/* 64 bits of each text (Utf8View), as `cuidx_group` has them for requests, less case and dashes, and
   for documents. INOUT has LENGTH seeds, and gets the bits, 0 for null. 0: done; else the texts are
   not as they must be. */
EXPORT int cuidx_bits(struct ArrowArrayStream *texts, uint64_t *inout, int64_t length) {
    struct ArrowSchema schema;
    if (texts->get_schema(texts, &schema)) return 1;
    int known = !strcmp(schema.format, "vu");
    schema.release(&schema);
    int64_t done = 0;
    while (known) {
        struct ArrowArray array;
        if (texts->get_next(texts, &array)) return 1;
        if (!array.release) break;
        known = done + array.length <= length;
        const uint8_t *valid = array.buffers[0];
        const View *views = array.buffers[1];
        for (int64_t i = array.offset; known && i < array.offset + array.length; i++, done++) {
            if (valid && !(valid[i >> 3] >> (i & 7) & 1)) { inout[done] = 0; continue; }
            const View *view = &views[i];
            const uint8_t *at = view->size <= 12
                ? view->head : (const uint8_t *)array.buffers[2 + view->buffer] + view->offset;
            inout[done] = bits_of(at, (size_t)view->size, inout[done]) | 1;
        }
        array.release(&array);
    }
    return !known || done != length;
}

/* A column of texts (Utf8View), from some row on. */
typedef struct {
    const uint8_t *valid;  /* NULL: none is null */
    const View *views;
    const uint8_t **buffers;
    int64_t first;
} Texts;

static Texts texts_of(const struct ArrowArray *column, int64_t row) {
    const int64_t first = column->offset + row;
    return (Texts){column->null_count ? column->buffers[0] : NULL,
                   (const View *)column->buffers[1] + first,
                   (const uint8_t **)column->buffers + 2, first};
}

static inline int is_null(const Texts *t, int64_t row) {
    const int64_t i = t->first + row;
    return t->valid && !(t->valid[i >> 3] >> (i & 7) & 1);
}

static inline const uint8_t *bytes_of(const Texts *t, int64_t row) {
    const View *view = &t->views[row];
    return view->size <= 12 ? view->head : t->buffers[view->buffer] + view->offset;
}

/* The view of a text, all 0 where it is null. Two that are the same are the same text. */
static inline View view_of(const Texts *t, int64_t row) {
    return is_null(t, row) ? (View){0} : t->views[row];
}

/* Whether a text says nothing: "" and "-" do. */
static inline int is_none(const Texts *t, int64_t row) {
    const View *view = &t->views[row];
    return view->size <= (view->head[0] == '-') || is_null(t, row);
}

static Value text_of(const Texts *t, int64_t row) {
    if (is_none(t, row)) return (Value){0, 0, NO_RANK, 0};
    return (Value){bytes_of(t, row), (uint32_t)t->views[row].size, 0, 0};
}

static const char SUFFIX_KEY[] = "\"ikontainer_CUID";
enum { SUFFIX_SIZE = sizeof SUFFIX_KEY - 1 };

/* Whether a message of a row is a line of its own: a document, or with a suffix. In doubt yes.
   PLAIN: it is known of longer ones that they hold no escape and no suffix. */
static int is_layer(const Value *v, int plain) {
    const uint8_t *p = v->at, *end = p + v->size;
    while (p < end && is_blank(*p)) p++;
    if (p < end && (*p == '{' || *p == '\\' || *p >= 0x80)) return 1;
    if (plain) return 0;
    int quoted = 0;
#if defined(__SSE2__)
    if (end - p >= 16) {
        const __m128i quote = _mm_set1_epi8('"'), escape = _mm_set1_epi8(0x1b);
        __m128i quotes = _mm_setzero_si128(), escapes = quotes;
        for (const uint8_t *q = p;; q = end - q < 32 ? end - 16 : q + 16) {  /* the last two overlap */
            const __m128i some = _mm_loadu_si128((const __m128i *)q);
            quotes = _mm_or_si128(quotes, _mm_cmpeq_epi8(some, quote));
            escapes = _mm_or_si128(escapes, _mm_cmpeq_epi8(some, escape));
            if (q == end - 16) break;
        }
        if (_mm_movemask_epi8(escapes)) return 1;
        quoted = _mm_movemask_epi8(quotes), p = end;
    }
#endif
    for (; p < end; p++) {
        if (*p == 0x1b) return 1;
        quoted |= *p == '"';
    }
    return quoted && holds(v->at, v->size, SUFFIX_KEY, SUFFIX_SIZE);
}

/* Whether none of these texts holds an escape or a suffix, by a look at the bytes that their views
   point into. It is for a column with a dictionary, or nearly as small: a slice of a few rows may
   come with the bytes of many. */
static int has_no_suffix(const struct ArrowArray *column) {
    enum { MOST_A_ROW = 64 };
    const int64_t count = column->n_buffers - 3;
    const int64_t *sizes = column->buffers[column->n_buffers - 1];
    int64_t size = 0;
    for (int64_t k = 0; k < count; k++) size += sizes[k];
    if (size > MOST_A_ROW * column->length) return 0;
    for (int64_t k = 0; k < count; k++) {
        const uint8_t *p = column->buffers[2 + k], *end = p + sizes[k];
#if defined(__SSE2__)
        const __m128i quote = _mm_set1_epi8('"'), i = _mm_set1_epi8('i'), esc = _mm_set1_epi8(0x1b);
        for (; end - p > 32; p += 16) {
            const __m128i some = _mm_loadu_si128((const __m128i *)p);
            const __m128i next = _mm_loadu_si128((const __m128i *)(p + 1));
            if (_mm_movemask_epi8(_mm_cmpeq_epi8(some, esc))) return 0;
            int begins = _mm_movemask_epi8(
                _mm_and_si128(_mm_cmpeq_epi8(some, quote), _mm_cmpeq_epi8(next, i)));
            for (; begins; begins &= begins - 1)
                if (!memcmp(p + __builtin_ctz((unsigned)begins), SUFFIX_KEY, SUFFIX_SIZE)) return 0;
        }
#endif
        if (memchr(p, 0x1b, (size_t)(end - p)) ||
            holds(p, (size_t)(end - p), SUFFIX_KEY, SUFFIX_SIZE)) return 0;
    }
    return 1;
}

enum { AT_ONCE = 256, KEY_BITS = 11, ID_BITS = 10 };

typedef struct { View view; uint64_t bits; } Id;  /* the bits of a request's id */

/* Rows on their way into groups, step by step for some at once: each step's values are then near,
   or on their way. KEYS and ID remember what came before in a batch: a text that comes again in a
   column with a dictionary has the same view, so that its bytes need not be looked at. */
typedef struct {
    int count, role[MOST_ROLES];  /* the roles that say which group it is, and the rare ones */
    View *keys;                   /* for each KEY_BITS of their bits, and the group they stand for */
    int32_t *group;               /* -1: none yet */
    View *clean;                  /* those of some rows, for each key, where some are null */
    Id *id;                       /* one for each ID_BITS of a view's bits */
    Texts texts[MOST_ROLES];
    int plain;                    /* of a batch: `has_no_suffix` of its messages */
    Told told[AT_ONCE];
    int32_t found[AT_ONCE];       /* NOT_HERE: the row is odd */
} Rows;

static void rows_free(Rows *r) {
    if (!r) return;
    free(r->keys); free(r->group); free(r->clean); free(r->id); free(r);
}

static Rows *rows_new(const uint8_t *uses, int roles) {
    Rows *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    for (int i = 0; i < roles; i++)
        if (uses[i] == KEY || uses[i] == RARE) r->role[r->count++] = i;
    r->keys = calloc((size_t)r->count + 1, sizeof(View) << KEY_BITS);
    r->group = malloc(sizeof(int32_t) << KEY_BITS);
    r->clean = malloc(((size_t)r->count + 1) * AT_ONCE * sizeof(View));
    r->id = malloc(sizeof(Id) << ID_BITS);
    if (r->keys && r->group && r->clean && r->id) return r;
    rows_free(r);
    return NULL;
}

/* Views of another batch mean other texts. */
static void rows_forget(Rows *r) {
    memset(r->group, -1, sizeof(int32_t) << KEY_BITS);
    memset(r->id, 0, sizeof(Id) << ID_BITS);
}

/* Some bits of a row's views, one after the other; the higher ones are the better ones. */
static inline uint64_t bits_of_view(const View *view, uint64_t seed) {
    const uint8_t *p = (const uint8_t *)view;
    return (seed ^ eight(p)) * 0x9E3779B97F4A7C15u + eight(p + 8) * 0xE7037ED1A0B428DBu;
}

/* The times of SIZE rows; those without one are odd. NUMBERS: they are no texts. */
static void rows_times(Rows *r, Groups *g, const Plan *plan, const struct ArrowArray *numbers,
                       int64_t row, int size) {
    const Texts *texts = &r->texts[plan->time];
    for (int i = 0; i < size; i++) {
        int64_t *time = &r->told[i].time;
        r->found[i] = NOT_HERE;
        if (is_null(texts, i)) continue;
        if (numbers) *time = ((const int64_t *)numbers->buffers[1])[numbers->offset + row + i];
        else if (!instant_near(g, bytes_of(texts, i), (size_t)texts->views[i].size, time)) continue;
        r->found[i] = 0;
    }
}

static inline int row_lacks(const Rows *r, int32_t role, int i) {
    return role < 0 || is_none(&r->texts[role], i);
}

/* Whether row I's message makes it odd: whether it may tell what the row does not. */
static int row_asks(const Rows *r, const Plan *plan, int i) {
    const Texts *texts = &r->texts[plan->message];
    if (is_null(texts, i)) return 0;
    if (plan->level != -1 && row_lacks(r, plan->level, i)) return 1;
    const View *view = &texts->views[i];
    const int known = r->plain && view->size > 12;
    const int needs = row_lacks(r, plan->request, i) && row_lacks(r, plan->trace, i);
    const uint8_t first = view->head[0];
    if (known && !needs && first > ' ' && first < 0x80) return first == '{' || first == '\\';
    const Value message = {bytes_of(texts, i), (uint32_t)view->size, 0, 0};
    return is_layer(&message, known) || (needs && tells(message.at, message.size, 1));
}

/* Take row I's request and document; whether they can be had here. */
static int row_ids(Rows *r, const Groups *g, Line *s, int i) {
    const Plan *plan = s->plan;
    const int32_t roles[] = {plan->request, plan->trace, plan->id, plan->index};
    Told *told = &r->told[i];
    told->id_at = told->id_size = 0;  /* it stands in no block of bytes */
    Id *known = NULL;
    const View *view = NULL;
    if (plan->id < 0 && !row_lacks(r, plan->request, i)) {
        view = &r->texts[plan->request].views[i];
        known = &r->id[bits_of_view(view, 0) >> (64 - ID_BITS)];
        if (!memcmp(&known->view, view, sizeof *view)) {
            told->request = known->bits, told->document = 0;
            return 1;
        }
    }
    for (int k = 0; k < 4; k++)
        if (roles[k] >= 0) s->values[roles[k]] = text_of(&r->texts[roles[k]], i);
    if (!take_ids(g, plan, s->values, NULL, told)) return 0;
    told->id_size = 0;
    if (known) *known = (Id){*view, told->request};
    return 1;
}

/* The requests and documents of SIZE rows, and whether their messages tell more. */
static void rows_ids(Rows *r, const Groups *g, Line *s, int size) {
    for (int i = 0; i < size; i++)
        if (r->found[i] >= 0 && ((s->plan->message >= 0 && row_asks(r, s->plan, i)) ||
                                 !row_ids(r, g, s, i))) r->found[i] = NOT_HERE;
}

/* The groups of SIZE rows; 0: no memory. */
static int rows_groups(Rows *r, Groups *g, Line *s, int size) {
    const View *views[MOST_ROLES];
    for (int k = 0; k < r->count; k++) {
        const Texts *texts = &r->texts[r->role[k]];
        views[k] = texts->views;
        if (!texts->valid) continue;
        View *clean = r->clean + k * AT_ONCE;
        for (int i = 0; i < size; i++) clean[i] = view_of(texts, i);
        views[k] = clean;
    }
    for (int i = 0; i < size; i++) {
        if (r->found[i] < 0) continue;
        uint64_t hash = 0, differs = 0;
        for (int k = 0; k < r->count; k++) hash = bits_of_view(&views[k][i], hash);
        const size_t at = (size_t)(hash >> (64 - KEY_BITS));
        View *keys = r->keys + at * (size_t)r->count;
        for (int k = 0; k < r->count; k++) {
            const uint8_t *one = (const uint8_t *)&views[k][i], *other = (const uint8_t *)&keys[k];
            differs |= (eight(one) ^ eight(other)) | (eight(one + 8) ^ eight(other + 8));
        }
        if (differs || r->group[at] < 0) {
            for (int k = 0; k < r->count; k++)
                s->values[r->role[k]] = text_of(&r->texts[r->role[k]], i);
            r->found[i] = group_of(g, s->values, s->plan->roles, NULL);
            if (r->found[i] == NO_MEMORY) return 0;
            if (r->found[i] < 0) continue;
            for (int k = 0; k < r->count; k++) keys[k] = views[k][i];
            r->group[at] = r->found[i];
        }
        r->found[i] = r->group[at];
    }
    return 1;
}

/* Have the text of row I come near, if it is not in its view. */
static inline void fetch(const Texts *texts, int i) {
    if (is_null(texts, i) || texts->views[i].size <= 12) return;
    const uint8_t *at = bytes_of(texts, i);
    __builtin_prefetch(at);
    __builtin_prefetch(at + texts->views[i].size - 1);
}

/* Have those texts of SIZE rows come near that will be looked at: requests, and messages that may
   have a suffix or tell of a request. */
static void rows_fetch(const Rows *r, const Plan *plan, int size) {
    if (plan->request >= 0)
        for (int i = 0; i < size; i++) fetch(&r->texts[plan->request], i);
    if (plan->message >= 0)
        for (int i = 0; i < size; i++)
            if (!r->plain || row_lacks(r, plan->request, i)) fetch(&r->texts[plan->message], i);
}

/* `cuidx_group` of rows: structs, whose fields are the roles, texts all but the time, which may be
   in nanoseconds. 3: the columns are not as they must be. */
EXPORT int cuidx_group_rows(struct ArrowArrayStream *rows, const Plan *plan, int by_line,
                            const uint8_t *uses, Found *found, struct ArrowSchema *schemas,
                            struct ArrowArray *arrays) {
    found_nothing(found, schemas, arrays);
    struct ArrowSchema schema;
    if (rows->get_schema(rows, &schema)) return 3;
    int fits = schema.n_children == plan->roles, in_numbers = -1;
    for (int i = 0; fits && i < plan->roles; i++) {
        if (i == plan->time && !strcmp(schema.children[i]->format, "l")) in_numbers = i;
        else fits = !strcmp(schema.children[i]->format, "vu");
    }
    schema.release(&schema);
    if (!fits) return 3;
    Groups *groups = groups_new(uses, plan->roles, by_line);
    Line *s = line_new(plan, NULL);
    Rows *r = rows_new(uses, plan->roles);
    int enough = groups && s && r;
    int64_t room = 0, line = 0;
    if (s) no_values(s);
    while (enough) {
        struct ArrowArray array;
        if (rows->get_next(rows, &array) || !array.release) break;
        rows_forget(r);
        r->plain = plan->message >= 0 && has_no_suffix(array.children[plan->message]);
        /* There may be a pair for each row: with room for them none has to be moved. */
        if (groups->pair_room - groups->pairs < array.length)
            enough = grow_pairs(groups, (size_t)(groups->pairs + array.length));
        for (int64_t row = 0; enough && row < array.length; row += AT_ONCE) {
            const int size = (int)(array.length - row < AT_ONCE ? array.length - row : AT_ONCE);
            for (int i = 0; i < plan->roles; i++)
                r->texts[i] = texts_of(array.children[i], array.offset + row);
            rows_fetch(r, plan, size);
            if (plan->time < 0) memset(r->found, 0xFF, sizeof r->found);  /* odd, all of them */
            else rows_times(r, groups, plan, in_numbers < 0 ? NULL : array.children[in_numbers],
                            array.offset + row, size);
            rows_ids(r, groups, s, size);
            enough = rows_groups(r, groups, s, size);
            for (int i = 0; enough && i < size; i++, line++) {
                r->told[i].line = line;
                enough = r->found[i] >= 0 ? count(groups, r->found[i], &r->told[i])
                                          : note_odd(found, &room, groups, (Odd){line, 0, 0, 0});
            }
        }
        array.release(&array);
    }
    found->lines = line;
    found->latest = enough ? groups->latest : INT64_MIN;
    rows_free(r);
    line_free(s);
    return !told(groups, plan->roles, enough, found, schemas, arrays);
}

/* -- pairs ---------------------------------------------------------------------------------- */

/* All arrays of a stream of numbers, SIZE bytes each, and where one is up to. */
typedef struct {
    struct ArrowArray *array;
    int64_t count, room, rows, at;
    size_t size;
} Parts;

static void parts_free(Parts *parts) {
    for (int64_t k = 0; k < parts->count; k++) parts->array[k].release(&parts->array[k]);
    free(parts->array);
}

/* Take them; 0: done; 1: no memory; 3: they are not of this FORMAT, or some are null. */
static int parts_of(struct ArrowArrayStream *stream, const char *format, Parts *parts) {
    struct ArrowSchema schema;
    if (stream->get_schema(stream, &schema)) return 3;
    int fits = !strcmp(schema.format, format);
    schema.release(&schema);
    while (fits) {
        if (parts->count == parts->room) {
            parts->room = parts->room * 2 + 8;
            if (!grow(&parts->array, (size_t)parts->room * sizeof *parts->array)) return 1;
        }
        struct ArrowArray *array = &parts->array[parts->count];
        if (stream->get_next(stream, array)) return 3;
        if (!array->release) return 0;
        parts->count++;
        parts->rows += array->length;
        fits = !array->null_count;
    }
    return 3;
}

/* The numbers of the next array, how many in LENGTH; NULL: there is none. */
static const void *next_part(Parts *parts, int64_t *length) {
    if (parts->at == parts->count) return NULL;
    const struct ArrowArray *array = &parts->array[parts->at++];
    *length = array->length;
    return (const uint8_t *)array->buffers[1] + (size_t)array->offset * parts->size;
}

/* How many of the COUNT numbers AT are different. TABLE has room for four times as many; it is larger
   than what is near, so its places are asked for some steps ahead. */
static int64_t different(const uint64_t *at, int64_t count, uint64_t *table) {
    enum { AHEAD = 16 };
    int bits = 1;
    while ((int64_t)1 << bits < 2 * count) bits++;
    const uint64_t last = ((uint64_t)1 << bits) - 1;
    const uint64_t spread = 0x9E3779B97F4A7C15u;
    int64_t found = 0;
    int zero = 0;  /* stands for an empty place */
    memset(table, 0, ((size_t)last + 1) * sizeof *table);
    for (int64_t i = 0; i < count; i++) {
        if (i + AHEAD < count) __builtin_prefetch(&table[at[i + AHEAD] * spread >> (64 - bits)], 1);
        if (!at[i]) { zero = 1; continue; }
        uint64_t place = at[i] * spread >> (64 - bits);
        while (table[place] && table[place] != at[i]) place = (place + 1) & last;
        found += !table[place];
        table[place] = at[i];
    }
    return found + zero;
}

/* The numbers that the places in an array stand for; NOBODY where rows do not count. */
typedef struct { const uint32_t *at; int64_t size; } Named;

static const int64_t NOBODY = UINT32_MAX;

static inline int64_t number_of(const Named *named, uint32_t place) {
    return place < named->size ? named->at[place] : INT64_MAX;
}

/* How many different values each number below COUNT has in OUT. PLACES are UInt32, VALUES UInt64, a
   row each; the K-th of the ARRAYS of places are places in NAMED[K]. 0: done; 1: no memory; 3: they
   are not as they must be. */
EXPORT int cuidx_distinct(struct ArrowArrayStream *places, struct ArrowArrayStream *values,
                          const Named *named, int64_t arrays, int64_t count, int64_t *out) {
    Parts of = {.size = sizeof(uint32_t)}, from = {.size = sizeof(uint64_t)};
    int failed = parts_of(places, "I", &of);
    if (!failed) failed = parts_of(values, "L", &from);
    if (!failed && (of.rows != from.rows || of.count != arrays)) failed = 3;
    int64_t most = 0, length;
    int64_t *end = calloc((size_t)count + 1, sizeof *end);
    uint64_t *sorted = NULL, *table = NULL;
    if (!failed && !end) failed = 1;
    for (const uint32_t *place; !failed && (place = next_part(&of, &length));)
        for (int64_t i = 0; !failed && i < length; i++) {
            const int64_t number = number_of(&named[of.at - 1], place[i]);
            if (number < count) end[number + 1]++;
            else failed = number == NOBODY ? 0 : 3;
        }
    for (int64_t i = 0; !failed && i < count; i++) {
        if (end[i + 1] > most) most = end[i + 1];
        end[i + 1] += end[i];  /* where the next number's begin */
    }
    if (!failed) {
        sorted = malloc(((size_t)of.rows + 1) * sizeof *sorted);
        table = malloc(((size_t)most * 4 + 2) * sizeof *table);
        if (!sorted || !table) failed = 1;
    }
    const uint64_t *value = NULL;
    int64_t left = 0;
    of.at = 0;
    for (const uint32_t *place; !failed && (place = next_part(&of, &length));)
        for (int64_t i = 0; i < length; i++, left--, value++) {
            while (!left) value = next_part(&from, &left);
            const int64_t number = named[of.at - 1].at[place[i]];  /* there is one, as seen above */
            if (number < count) sorted[end[number]++] = *value;
        }
    for (int64_t i = 0, begin = 0; !failed && i < count; begin = end[i++])
        out[i] = different(sorted + begin, end[i] - begin, table);
    free(end); free(sorted); free(table);
    parts_free(&of); parts_free(&from);
    return failed;
}
