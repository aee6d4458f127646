//! The pace: request `i` is due at `i / rate` whatever became of the others, and its latency counts from then.
//!
//! So a server that stalls shows the waiting of all who would have come meanwhile (no coordinated omission, Gil Tene
//! 2013). One thread for each connection: at the rates of memory work their switches cost less than a second stack.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::super::mix::{Request, Template};
use super::super::tally::Named;
use super::super::{Mix, Stop, Tally};
use super::connection::Connection;
use crate::http::{Address, Url};

/// A pace below this would wait for days.
const LEAST_RATE: f64 = 0.001;

/// Makes requests for `time` at the mix's rate, numbered from `first` on; how many were due.
pub(crate) fn run_mix(mix: &Mix, target: &Url, time: Duration, first: u64, tally: &Tally, stop: &Stop) -> u64 {
    let rate = mix.rate.unwrap_or(1.0).max(LEAST_RATE);
    let due = (rate * time.as_secs_f64()).round().max(1.0) as u64;
    let start = Instant::now();
    let at = |slot: u64| start + Duration::from_secs_f64(slot as f64 / rate);
    let end = start + time;
    let connections = mix.connections.unwrap_or(1).clamp(1, 10_000);
    run(mix, target, connections, first..first + due, tally, stop, &|slot| {
        let slot = slot - first;
        let moment = at(slot);
        // What could not be sent in time is not sent at all: it shows as offered and not achieved.
        (Instant::now() < end && stop.sleep_until(moment)).then_some(moment)
    });
    let due = if stop.is_set() {
        ((start.elapsed().as_secs_f64() * rate) as u64 + 1).min(due)
    } else {
        // The stretch lasts until its end though the last request was due before.
        stop.sleep_until(end);
        due
    };
    tally.offer(due);
    tally.lasted(start.elapsed());
    due
}

/// Makes the requests with these numbers one after the other.
pub(super) fn run_numbers(mix: &Mix, target: &Url, numbers: Range<u64>, tally: &Tally, stop: &Stop) {
    let start = Instant::now();
    run(mix, target, 1, numbers, tally, stop, &|_| (!stop.is_set()).then(Instant::now));
    tally.lasted(start.elapsed());
}

/// Requests with these numbers, each when `wait` gives its moment, until it gives none.
fn run(
    mix: &Mix,
    target: &Url,
    connections: usize,
    numbers: Range<u64>,
    tally: &Tally,
    stop: &Stop,
    wait: &(dyn Fn(u64) -> Option<Instant> + Sync),
) {
    let next = AtomicU64::new(numbers.start);
    let plan = Plan::new(mix, target);
    std::thread::scope(|scope| {
        for _ in 0..connections.min(usize::try_from(numbers.end - numbers.start).unwrap_or(usize::MAX)) {
            let (next, plan, numbers) = (&next, &plan, &numbers);
            let worker = move || {
                let mut connection = Connection::new(target, mix.timeout, mix.keep_alive);
                let mut names: BTreeMap<usize, Named> = BTreeMap::new();
                let mut failures: BTreeMap<String, u64> = BTreeMap::new();
                let mut bytes = Vec::new();
                while !stop.is_set() {
                    let slot = next.fetch_add(1, Ordering::Relaxed);
                    let Some(moment) = (slot < numbers.end).then(|| wait(slot)).flatten() else { break };
                    let place = plan.choose(slot);
                    let request = &mix.requests[place];
                    plan.write(place, slot, &mut bytes);
                    let outcome = connection.exchange(&bytes, request.method == "HEAD");
                    let latency = moment.elapsed();
                    let failure = match outcome {
                        Ok(status) if request.expect.map_or(status < 400, |wanted| wanted == status) => None,
                        Ok(status) => Some(format!("status {status}")),
                        Err(failure) => Some(failure),
                    };
                    let named = names.entry(place).or_default();
                    named.done += 1;
                    named.latency.add(latency);
                    named.failed += u64::from(failure.is_some());
                    tally.count(1, u64::from(failure.is_some()));
                    if let Some(failure) = failure {
                        *failures.entry(failure).or_insert(0) += 1;
                        // A server that is gone refuses at once: asking it a million times would tell no more.
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
                for (place, named) in names {
                    tally.add(&mix.requests[place].name, &named);
                }
                for (failure, count) in failures {
                    tally.fail(&failure, count);
                }
            };
            // Stacks of two megabytes are for programs that need them.
            let spawned = std::thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, worker);
            if let Err(error) = spawned {
                tally.note(format!("fewer connections than asked for: {error}"));
                break;
            }
        }
    });
}

/// What does not change from request to request.
struct Plan<'a> {
    requests: &'a [Request],
    /// Sums of the weights up to each request.
    upto: Vec<f64>,
    /// Everything after the path, up to the body's length.
    heads: Vec<Vec<u8>>,
    base: &'a str,
}

impl<'a> Plan<'a> {
    fn new(mix: &'a Mix, target: &'a Url) -> Self {
        let mut sum = 0.0;
        let mut upto = Vec::new();
        let mut heads = Vec::new();
        let host = match &target.address {
            Address::Unix(_) => "localhost".to_owned(),
            Address::Tcp { .. } => {
                let shown = target.with_base("").to_string();
                shown.split_once("://").map_or(shown.clone(), |(_, host)| host.to_owned())
            }
        };
        for request in &mix.requests {
            sum += request.weight;
            upto.push(sum);
            let mut head =
                format!(" HTTP/1.1\r\nHost: {host}\r\nUser-Agent: brimline/{}\r\n", env!("CARGO_PKG_VERSION"));
            for (name, value) in &request.headers {
                for text in [name, ": ", value, "\r\n"] {
                    head.push_str(text);
                }
            }
            head.push_str(if mix.keep_alive { "Connection: keep-alive\r\n" } else { "Connection: close\r\n" });
            heads.push(head.into_bytes());
        }
        Self { requests: &mix.requests, upto, heads, base: &target.base }
    }

    /// Which request is number `slot`: by weight, the same in each run.
    fn choose(&self, slot: u64) -> usize {
        let sum = self.upto.last().copied().unwrap_or(0.0);
        let random = (super::super::mix::splitmix(slot) >> 11) as f64 / (1_u64 << 53) as f64;
        self.upto.partition_point(|upto| *upto <= random * sum).min(self.upto.len() - 1)
    }

    fn write(&self, place: usize, slot: u64, out: &mut Vec<u8>) {
        let request = &self.requests[place];
        let mut random = slot;
        out.clear();
        out.extend_from_slice(request.method.as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.base.as_bytes());
        // Another sequence than the one that chooses the request, or some paths would never come.
        let path: &Template =
            &request.paths[(super::super::mix::splitmix(slot ^ 0x5bd1) % request.paths.len() as u64) as usize];
        path.fill(slot, &mut random, out);
        out.extend_from_slice(&self.heads[place]);
        match &request.body {
            None if matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") => {
                out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
            }
            None => out.extend_from_slice(b"\r\n"),
            Some(body) => {
                let mut filled = Vec::new();
                body.fill(slot, &mut random, &mut filled);
                out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", filled.len()).as_bytes());
                out.extend_from_slice(&filled);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::Mutex;

    use super::*;

    /// A server that keeps connections; answers after `delay`, every `fails`th time with 500, and notes what was asked.
    fn server(delay: Duration, fails: usize) -> (Url, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || {
                    let mut out = stream.try_clone().unwrap();
                    let mut reader = BufReader::new(stream);
                    loop {
                        let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
                        if reader.read_line(&mut first).unwrap_or(0) == 0 {
                            return;
                        }
                        while reader.read_line(&mut line).unwrap_or(0) > 2 {
                            let lower = line.to_ascii_lowercase();
                            length =
                                lower.strip_prefix("content-length:").map_or(length, |n| n.trim().parse().unwrap());
                            line.clear();
                        }
                        let mut body = vec![0; length];
                        reader.read_exact(&mut body).unwrap();
                        let number = {
                            let mut seen = seen.lock().unwrap();
                            seen.push(format!("{} {}", first.trim(), String::from_utf8_lossy(&body)));
                            seen.len()
                        };
                        std::thread::sleep(delay);
                        let status = if fails > 0 && number % fails == 0 { "500 No" } else { "200 OK" };
                        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok");
                        if out.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        (url, asked)
    }

    fn mix(text: &str) -> Mix {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.toml");
        std::fs::write(&path, text).unwrap();
        super::super::super::read_mix(&path).unwrap()
    }

    #[test]
    fn requests_come_by_weight_with_bodies_and_failures_are_counted() {
        let (url, asked) = server(Duration::ZERO, 10);
        let mut mix = mix(
            "[[request]]\npath = '/a?n={n}'\nweight = 3\n[[request]]\nmethod = 'POST'\npath = '/b'\nbody = 'x{n}'\n",
        );
        (mix.rate, mix.connections) = (Some(400.0), Some(4));
        let tally = Tally::default();
        run_mix(&mix, &url, Duration::from_secs(1), 0, &tally, &Stop::default());
        let result = tally.result();
        assert_eq!((result.requests, result.offered, result.errors), (400, Some(400), 40));
        assert_eq!(result.failures, [("status 500".to_owned(), 40)]);
        let share = result.by_name.iter().find(|row| row.name.starts_with("GET")).unwrap().requests;
        assert!((270..=330).contains(&share), "{share}");
        let asked = asked.lock().unwrap();
        assert!(asked.iter().any(|line| line.starts_with("POST /b HTTP/1.1 x")), "{:?}", asked[0]);
    }

    #[test]
    fn latency_counts_from_when_a_request_was_due() {
        // One connection, 20 ms an answer, 100 asked for a second: the queue grows by half of what is due.
        let (url, _) = server(Duration::from_millis(20), 0);
        let mut mix = mix("[[request]]\npath = '/'\n");
        (mix.rate, mix.connections) = (Some(100.0), Some(1));
        let tally = Tally::default();
        run_mix(&mix, &url, Duration::from_secs(1), 0, &tally, &Stop::default());
        let result = tally.result();
        assert_eq!(result.offered, Some(100));
        assert!(result.requests <= 51, "{}", result.requests);
        let latency = result.latency_ms.unwrap();
        assert!(latency.p99 > 300.0 && latency.p50 > 150.0, "{latency:?}");
    }

    #[test]
    fn a_target_that_is_gone_and_a_stop_end_the_load() {
        let url = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap()
        };
        let mut mix = mix("[[request]]\npath = '/'\n");
        (mix.rate, mix.connections) = (Some(100.0), Some(2));
        let (tally, stop) = (Tally::default(), Stop::default());
        let start = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| run_mix(&mix, &url, Duration::from_secs(60), 0, &tally, &stop));
            std::thread::sleep(Duration::from_millis(300));
            stop.set();
        });
        assert!(start.elapsed() < Duration::from_secs(5));
        let result = tally.result();
        assert!(result.requests > 5 && result.errors == result.requests, "{result:?}");
        assert_eq!(result.failures[0].0, "connection refused");
    }
}
