// Calls an export once for each line read from brimline's socket, and collects garbage after each call.
const net = require("node:net");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const [place, name] = process.argv.slice(1).filter((word) => word !== "--");
const text = (error) => String(error && error.stack ? `${error.name}: ${error.message}` : error).replace(/\s+/g, " ").slice(0, 500);

async function load() {
  const file = path.resolve(place);
  let found = await import(pathToFileURL(file).href);
  for (const part of name.split(".")) {
    // What a CommonJS module exports is the default export of its import.
    found = part in found ? found[part] : found.default?.[part];
  }
  if (typeof found !== "function") throw new TypeError(`${name} is no function`);
  return found;
}

const line = net.connect(process.env.BRIMLINE_CALLS);
delete process.env.BRIMLINE_CALLS;
line.setEncoding("utf8");
line.on("end", () => process.exit(0));
load().then(
  (called) => {
    line.write("ready\n");
    let queue = Promise.resolve();
    const once = async () => {
      const start = process.hrtime.bigint();
      let answer;
      try {
        await called();
        answer = `done ${(process.hrtime.bigint() - start) / 1000n}\n`;
      } catch (error) {
        answer = `failed ${text(error)}\n`;
      }
      globalThis.gc?.();
      line.write(answer);
    };
    line.on("data", (data) => {
      for (const letter of data) if (letter === "\n") queue = queue.then(once);
    });
  },
  (error) => {
    line.end(`refused ${text(error)}\n`, () => process.exit(2));
  },
);
