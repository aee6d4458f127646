//! Verdicts on plain files and on a recorded run, and the comparison of two.
use std::fmt::Write as _;

use serde_json::Value;

use crate::python::any_python;
use crate::session::{Session, ended};

/// Sixty points that grow by `rate` MiB each, with a wobble.
fn csv(rate: f64) -> String {
    let mut text = String::from("time,heap_after_gc_mb\n");
    for at in 0..60_u32 {
        let wobble = f64::from(at * 7919 % 11) * 0.01;
        writeln!(text, "{at},{:.3}", 50.0 + rate * f64::from(at) + wobble).unwrap();
    }
    text
}

fn trend(session: &Session, arguments: &[&str], code: i32) -> String {
    let all = [&["trend"], arguments].concat();
    ended(&mut session.brimline(all)).expect_code(code).stdout
}

fn verdict(session: &Session, arguments: &[&str]) -> Value {
    let json: Value = serde_json::from_str(&trend(session, &[arguments, &["--json"]].concat(), 0)).unwrap();
    assert_eq!(json["schema"], "brimline.trend/1");
    assert_eq!(json.as_object().unwrap().keys().next().unwrap(), "schema");
    json["verdicts"][0].clone()
}

#[test]
fn files_of_every_format_are_judged() {
    let session = Session::new();
    session.write("leak.csv", &csv(0.2));
    session.write("flat.csv", &csv(0.0));
    let leak = verdict(&session, &["leak.csv", "--limit", "100M"]);
    assert_eq!((&leak["verdict"], &leak["signal"]), (&"linear_leak".into(), &"heap_after_gc".into()), "{leak:#}");
    let slope = leak["slope"]["per_second"].as_f64().unwrap() / 1_048_576.0;
    assert!((slope - 0.2).abs() < 0.01, "{leak:#}");
    let left = leak["seconds_to_limit"].as_f64().unwrap();
    assert!((left - 190.0).abs() < 12.0, "{left}");
    assert_eq!(verdict(&session, &["flat.csv"])["verdict"], "steady");

    let values: Vec<f64> = (0..60_u32).map(|at| 5e7 + 4e5 * f64::from(at) + f64::from(at * 7919 % 13) * 3e3).collect();
    session.write("numbers.json", &serde_json::to_string(&values).unwrap());
    let one = verdict(&session, &["numbers.json", "--signal", "heap_after_gc", "--unit", "bytes"]);
    assert_eq!(one["verdict"], "linear_leak");
    assert!(one["slope"]["per_second"].is_null() && one["slope"]["per_iteration"].as_f64().unwrap() > 3.9e5);
    let rss = verdict(&session, &["numbers.json", "--signal", "rss"]);
    assert_eq!((&rss["verdict"], &rss["signal"]), (&"linear_leak".into(), &"rss".into()));
    assert!(rss["confidence"].as_f64().unwrap() <= 0.6);
    assert!(rss["explanation"].as_str().unwrap().contains("the process grows; not shown to be your code"));

    let scrapes: String = values.iter().fold(String::new(), |mut text, value| {
        let _ = writeln!(text, "go_goroutines 7\nheap_alloc_bytes {value}");
        text
    });
    session.write("scrapes.prom", &scrapes);
    let chosen = verdict(&session, &["scrapes.prom", "--value", "heap_alloc_bytes"]);
    assert_eq!((&chosen["metric"], &chosen["verdict"]), (&"heap_alloc_bytes".into(), &"linear_leak".into()));
}

#[test]
fn exit_codes_tell_bad_news_doubt_and_bad_input() {
    let session = Session::new();
    session.write("leak.csv", &csv(0.2));
    session.write("flat.csv", &csv(0.0));
    session.write("short.json", "[1e7, 2e7, 3e7, 4e7]");
    session.write("text.csv", "hello\nworld\n");
    trend(&session, &["leak.csv", "--fail-on", "leak"], 1);
    trend(&session, &["leak.csv", "--fail-on", "spikes,stepwise_growth"], 0);
    trend(&session, &["flat.csv", "--fail-on", "leak"], 0);
    assert!(trend(&session, &["short.json"], 3).contains("more iterations"));
    for arguments in [&["text.csv"][..], &["leak.csv", "--value", "nothing"], &["leak.csv", "--fail-on", "sadness"]] {
        let answer = ended(&mut session.brimline([&["trend"], arguments].concat())).expect_code(2);
        assert!(answer.stdout.is_empty() && answer.stderr.starts_with("error: "), "{}", answer.stderr);
    }
}

#[test]
fn charts_load_nothing_and_hold_no_markup_of_others() {
    let session = Session::new();
    session.write("<script>alert(1).csv", &csv(0.2));
    for format in ["svg", "html"] {
        let chart = trend(&session, &["<script>alert(1).csv", "--format", format], 0);
        assert!(chart.contains("linear leak") && chart.contains("class=\"fitted\""), "{chart}");
        let other = chart.replace("http://www.w3.org/2000/svg", "");
        assert!(!other.contains("http") && !other.contains("<script"), "{other}");
    }
    let table = trend(&session, &["<script>alert(1).csv", "--explain"], 0);
    assert!(table.contains('█') && table.contains("still reachable after a garbage collection"), "{table}");
}

#[test]
fn two_trends_are_compared() {
    let session = Session::new();
    for (name, rate) in [("before.csv", 0.2), ("half.csv", 0.1), ("fixed.csv", 0.0)] {
        session.write(name, &csv(rate));
    }
    for (after, change) in [("half.csv", "halved"), ("fixed.csv", "gone"), ("before.csv", "unchanged")] {
        for command in ["compare-trends", "diff"] {
            let answer = ended(&mut session.brimline([command, "before.csv", after, "--json"])).expect_code(0);
            let json: Value = serde_json::from_str(&answer.stdout).unwrap();
            assert_eq!(json["schema"], "brimline.compare-trends/1");
            let row = &json["rows"][0];
            assert_eq!(row["change"], change, "{row:#}");
            let (low, high) = (row["low"].as_f64().unwrap(), row["high"].as_f64().unwrap());
            let difference = row["difference"].as_f64().unwrap();
            assert!(low <= difference && difference <= high, "{row:#}");
        }
    }
    let table = ended(&mut session.brimline(["compare-trends", "before.csv", "fixed.csv"])).expect_code(0).stdout;
    assert!(table.contains("gone"), "{table}");
}

/// Keeps 3 kB in each round, and churns.
const LEAK: &str = "
import time
kept = {}
def remember(number):
    kept[number] = bytes(3000)
end = time.monotonic() + 3.5
number = 0
while time.monotonic() < end:
    for _ in range(5):
        remember(number)
        number += 1
    [str(n) for n in range(50)]
    time.sleep(0.01)
";

#[test]
fn a_run_is_judged_down_to_the_line() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    let script = session.write("leak.py", LEAK);
    let options = ["run", "--interval", "100ms", "--snapshot-every", "200ms", "--quiet", "--"];
    let mut run = session.brimline(options);
    ended(run.args([&python.bare, &script])).expect_code(0);
    let answer = ended(&mut session.brimline(["trend", "--json"]));
    let json: Value = serde_json::from_str(&answer.stdout).unwrap();
    let rows = json["verdicts"].as_array().unwrap();
    let heap = rows.iter().find(|row| row["metric"] == "live_after_gc").unwrap();
    assert_eq!(heap["verdict"], "linear_leak", "{heap:#}");
    let site = rows
        .iter()
        .filter(|row| row["metric"] == "site_live_after_gc")
        .max_by(|a, b| a["growth_share"].as_f64().unwrap_or(0.0).total_cmp(&b["growth_share"].as_f64().unwrap_or(0.0)))
        .unwrap();
    let line = LEAK.lines().position(|line| line.contains("bytes(3000)")).unwrap() + 1;
    assert!(site["subject"].as_str().unwrap().starts_with(&format!("leak.py:{line} ")), "{site:#}");
    assert_eq!((&site["verdict"], &site["signal"]), (&"linear_leak".into(), &"site_after_gc".into()), "{site:#}");
    assert!(site["growth_share"].as_f64().unwrap() > 0.8, "{site:#}");
    ended(&mut session.brimline(["trend", "latest", "--value", "live_after_gc", "--fail-on", "leak"])).expect_code(1);
    ended(&mut session.brimline(["trend", "--value", "nothing"])).expect_code(2);
}
