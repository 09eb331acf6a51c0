// A Forward server that is not ours: npm @fluent-org/logger. Prints its port, then one JSON line
// for each event: [tag, seconds, record]. Configured by KEY (shared key), TLS_KEY and TLS_CERT.
const fs = require("fs");
const { FluentServer } = require("@fluent-org/logger");

class Server extends FluentServer {
  onEntry(tag, time, record) {
    const seconds = typeof time === "number" ? time : time.epoch;
    fs.writeSync(1, JSON.stringify([tag, seconds, record]) + "\n");
  }
}

const env = process.env;
const security = env.KEY
  ? { serverHostname: "server", sharedKey: env.KEY, authorize: false, userDict: {} }
  : undefined;
const tlsOptions = env.TLS_KEY
  ? { key: fs.readFileSync(env.TLS_KEY), cert: fs.readFileSync(env.TLS_CERT) }
  : undefined;
const listenOptions = { host: "127.0.0.1", port: Number(env.PORT || 0) };
const server = new Server({ security, tlsOptions, listenOptions });
server.listen().then(() => fs.writeSync(1, `${server.port}\n`));
