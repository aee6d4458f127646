// Runs inside Node programs that brimline records: loaded by NODE_OPTIONS before the program, in every isolate, or into a
// running program's main isolate through its inspector, which then calls what this file exports.
//
// Each isolate samples its own allocations and keeps the latest profile in the run's folder. Requests come over a unix
// socket beside it. In a process's main isolate a small thread serves that socket and reaches the isolate through the
// inspector, so that a program busy in a loop answers too; other isolates serve theirs themselves.
//
// The program must not notice: nothing here keeps it alive, throws into it, or prints.
'use strict';

const threads = require('worker_threads');
// Taken before the program can replace them.
const fs = require('fs');
const path = require('path');
const v8 = require('v8');

const KEY = Symbol.for('brimline.agent');
const VERSION = 1;
/** Mean bytes between two sampled allocations. */
const INTERVAL = 512 * 1024;
/** V8's own default: deeper frames are cut. */
const DEPTH = 128;
/** Milliseconds after the start of the first profiles; then PERIOD apart. */
const FIRST = [500, 1000, 2000, 4000];
const PERIOD = 10000;
/** Milliseconds between two samples of the isolate's series. */
const TICK = 1000;
/** Start other programs; they are recorded so that a run of nothing else is not empty, and are not asked for heaps. */
const LAUNCHERS = /(^|\/)(npm|npx|pnpm|pnpx|yarn|corepack|nodemon)(-cli)?(\.c?js|\.mjs)?$/;

const given = threads.workerData;
if (given !== null && typeof given === 'object' && given.brimlineAgent === VERSION) {
    serveMainIsolate(given);
} else if (process.env.BRIMLINE_NODE_FOLDER && !process[KEY]) {
    try {
        record(process.env.BRIMLINE_NODE_FOLDER, Number(process.env.BRIMLINE_NODE_RECORDER));
    } catch {
        // A Node without an inspector, a folder that is gone: the program runs unrecorded.
    }
}
module.exports = (folder, recorder) => {
    if (process[KEY]) return 'it is recorded already';
    record(folder, recorder);
    return '';
};
/** Closes an inspector that was opened for this, once whoever asks has hung up. */
module.exports.closeInspector = () => {
    setTimeout(() => {
        try {
            require('inspector').close();
        } catch {
            // Closed meanwhile.
        }
    }, 50).unref();
    return '';
};

function record(folder, recorder) {
    const { Session } = require('inspector');
    const stem = `${process.pid}-${Date.now()}-${threads.threadId}`;
    const script = process.argv[1] || '';
    const launcher = threads.isMainThread && LAUNCHERS.test(script);
    let collectedAt = [0, 0];
    let stopServing = null;
    const session = new Session();
    session.connect();
    let refusal = null;
    let sampling = false;
    session.post('HeapProfiler.startSampling', { samplingInterval: INTERVAL, stackDepth: DEPTH }, (error) => {
        if (error) refusal = error.message;
        else sampling = true;
    });
    const pauses = watchPauses();
    const describe = () => ({
        schema: 'brimline.node-isolate/1', pid: process.pid, thread: threads.threadId, start_ms: Number(stem.split('-')[1]),
        node: process.version, script, launcher, cwd: process.cwd(), socket: `${stem}.sock`, refusal,
    });
    replace(path.join(folder, `${stem}.json`), JSON.stringify(describe()));

    function usage() {
        const heap = v8.getHeapStatistics();
        const memory = process.memoryUsage();
        return {
            used_heap_bytes: heap.used_heap_size, total_heap_bytes: heap.total_heap_size,
            heap_limit_bytes: heap.heap_size_limit, external_bytes: memory.external,
            array_buffer_bytes: memory.arrayBuffers, rss_bytes: memory.rss,
        };
    }

    function profile(trigger, collect, file) {
        const collected = collect === 'done' || (collect === 'now' && collectGarbage());
        let answer = null;
        let reason = refusal;
        if (sampling) {
            session.post('HeapProfiler.getSamplingProfile', (error, result) => {
                if (error) reason = error.message;
                else answer = result.profile;
            });
        }
        if (!answer) return { error: reason || 'the profile was not ready' };
        const about = {
            at_ms: Date.now(), trigger, collected, interval_bytes: INTERVAL, pid: process.pid, thread: threads.threadId,
            node: process.version, script, launcher, cwd: process.cwd(), ...usage(),
        };
        const text = JSON.stringify({ brimline: about, head: answer.head, samples: answer.samples });
        if (collected && !file) collectedAt = process.hrtime();
        return replace(file || path.join(folder, `${stem}.heapprofile`), text) || { collected };
    }

    function snapshot(file) {
        // To a pipe whose other end brimline reads: V8 waits for the reader, and goes on at once when it is gone.
        v8.writeHeapSnapshot(file);
        return {};
    }

    function tick() {
        const line = { seconds: Date.now() / 1000, ...usage(), ...pauses() };
        line.spaces = {};
        for (const space of v8.getHeapSpaceStatistics()) {
            if (space.space_used_size > 0) line.spaces[space.space_name] = space.space_used_size;
        }
        try {
            fs.appendFileSync(path.join(folder, `${stem}.jsonl`), JSON.stringify(line) + '\n', { mode: 0o600 });
        } catch {
            // A full disk, or the run is gone: the numbers are not kept.
        }
        return {};
    }

    function stop() {
        if (sampling) session.post('HeapProfiler.stopSampling');
        sampling = false;
        session.disconnect();
        process.removeListener('exit', atExit);
        process.removeListener('SIGUSR2', asked);
        delete process[KEY];
        // Whoever is served by the isolate itself stops with it.
        if (stopServing) stopServing();
        return {};
    }

    const api = (request) => {
        try {
            switch (request.do) {
                case 'profile': return profile(request.trigger, request.collect, request.file);
                case 'snapshot': return snapshot(request.file);
                case 'usage': return usage();
                case 'tick': return tick();
                case 'stop': return stop();
                default: return { error: `unknown request ${request.do}` };
            }
        } catch (error) {
            return { error: String(error && error.message) };
        }
    };
    const atExit = () => {
        // Not after a collection: what a program has let go of at its very end is what it used. A state that was asked for
        // right before, as it is before a signal, says more.
        const [seconds] = process.hrtime(collectedAt);
        if (collectedAt[0] === 0 || seconds >= PERIOD / 1000) api({ do: 'profile', trigger: 'exit' });
        api({ do: 'tick' });
    };
    const asked = () => {
        // A program with a handler of its own means something else by the signal.
        if (process.listenerCount('SIGUSR2') === 1) replace(path.join(folder, `${stem}.wanted`), '{}');
    };
    process.on('exit', atExit);
    if (launcher) return;

    const serving = { brimlineAgent: VERSION, folder, stem, recorder };
    if (!threads.isMainThread) {
        stopServing = serve(serving, false, (request, answer) => answer(api(request)));
        return;
    }
    process.on('SIGUSR2', asked);
    Object.defineProperty(process, KEY, { value: (text) => JSON.stringify(api(JSON.parse(text))), configurable: true });
    try {
        const server = new threads.Worker(__filename, {
            workerData: serving, env: {}, execArgv: [], name: 'brimline',
            resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 },
        });
        server.unref();
        server.on('error', () => {});
    } catch {
        stopServing = serve(serving, false, (request, answer) => answer(api(request)));
    }
}

/** The thread beside a process's main isolate. */
function serveMainIsolate(serving) {
    const { Session } = require('inspector');
    serve(serving, true, (request, answer) => {
        const text = JSON.stringify(JSON.stringify(request));
        // Connected for one request only: a session that is open keeps a process from ending.
        const session = new Session();
        session.connectToMainThread();
        const expression = `process[Symbol.for('brimline.agent')](${text})`;
        session.post('Runtime.evaluate', { expression, returnByValue: true, silent: true }, (error, result) => {
            session.disconnect();
            const value = result && result.result && result.result.value;
            answer(typeof value === 'string' ? JSON.parse(value) : { error: error ? error.message : 'no answer' });
        });
    });
}

/** Answers requests, a line of JSON each, and asks by itself for what is due by time; `own` is a thread that does nothing else. */
function serve({ folder, stem, recorder }, own, ask) {
    const server = require('net').createServer((connection) => {
        let text = '';
        if (!own) connection.unref();
        connection.on('error', () => {});
        connection.setEncoding('utf8');
        connection.on('data', (piece) => {
            text += piece;
            const end = text.indexOf('\n');
            if (end < 0) return;
            let request;
            try {
                request = JSON.parse(text.slice(0, end));
            } catch {
                connection.destroy();
                return;
            }
            text = text.slice(end + 1);
            ask(request, (answer) => connection.end(JSON.stringify(answer) + '\n'));
            if (request.do === 'stop') close();
        });
    });
    server.on('error', () => {});
    // Through the descriptor of the folder: the paths of sockets are short.
    const descriptor = fs.openSync(folder, 'r');
    server.listen(`/proc/self/fd/${descriptor}/${stem}.sock`, () => fs.close(descriptor, () => {}));
    if (!own) server.unref();
    const timers = [];
    const close = () => {
        for (const timer of timers) clearInterval(timer);
        server.close();
    };
    const every = (timer) => {
        timers.push(timer);
        if (!own) timer.unref();
    };
    for (const after of FIRST) every(setTimeout(() => ask({ do: 'profile', trigger: 'start' }, () => {}), after));
    every(setInterval(() => ask({ do: 'profile', trigger: `every ${PERIOD / 1000}s` }, () => {}), PERIOD));
    let isAsked = false;
    every(setInterval(() => {
        if (lives(recorder)) {
            // An isolate that stands still would answer all at once when it goes on.
            if (!isAsked) ask({ do: 'tick' }, () => { isAsked = false; });
            isAsked = true;
            return;
        }
        close();
        ask({ do: 'stop' }, () => {});
    }, TICK));
    return close;
}

function lives(pid) {
    try {
        process.kill(pid, 0);
        return true;
    } catch (error) {
        return error.code === 'EPERM';
    }
}

/** One full collection; whether it was made. */
function collectGarbage() {
    try {
        if (!collectGarbage.gc) {
            v8.setFlagsFromString('--expose-gc');
            collectGarbage.gc = globalThis.gc || require('vm').runInNewContext('gc');
            v8.setFlagsFromString('--no-expose-gc');
        }
        collectGarbage.gc();
        return true;
    } catch {
        return false;
    }
}

/** Collections and event-loop delays since the last call. */
function watchPauses() {
    const performance = require('perf_hooks');
    const delays = performance.monitorEventLoopDelay ? performance.monitorEventLoopDelay({ resolution: 100 }) : null;
    let collections = v8.GCProfiler ? new v8.GCProfiler() : null;
    if (delays) delays.enable();
    if (collections) collections.start();
    return () => {
        const found = {};
        if (collections) {
            const report = collections.stop();
            collections = new v8.GCProfiler();
            collections.start();
            found.gc = {};
            for (const one of (report && report.statistics) || []) {
                const kind = found.gc[one.gcType] || (found.gc[one.gcType] = { count: 0, seconds: 0 });
                kind.count += 1;
                kind.seconds += one.cost / 1e6;
                if (one.gcType === 'MarkSweepCompact') found.heap_after_gc_bytes = one.afterGC.heapStatistics.usedHeapSize;
            }
        }
        if (delays && delays.count !== 0 && Number.isFinite(delays.max)) {
            // The timer's own distance is no delay.
            found.loop_delay_seconds = Math.max(0, delays.max / 1e9 - 0.1);
            delays.reset();
        }
        return found;
    };
}

/** Writes a file as a whole or not at all; an error as an answer. */
function replace(file, text) {
    const temporary = `${file}.${process.pid}.tmp`;
    try {
        fs.writeFileSync(temporary, text, { mode: 0o600 });
        fs.renameSync(temporary, file);
        return null;
    } catch (error) {
        try {
            fs.unlinkSync(temporary);
        } catch {
            // It was not written at all.
        }
        return { error: String(error && error.message) };
    }
}
