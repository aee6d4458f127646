//! Each statistic against scipy, pymannkendall and ruptures: `fixtures/make_statistics.py` wrote the golden values.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use brimline_analysis::trend::statistics::autoregression::autoregressive_line;
use brimline_analysis::trend::statistics::distribution::{normal_tail, student_quantile, student_tail};
use brimline_analysis::trend::statistics::false_discovery::benjamini_yekutieli;
use brimline_analysis::trend::statistics::mann_kendall::{hamed_rao, mann_kendall};
use brimline_analysis::trend::statistics::mser::mser;
use brimline_analysis::trend::statistics::order::robust_deviation;
use brimline_analysis::trend::statistics::pelt::pelt;
use brimline_analysis::trend::statistics::theil_sen::theil_sen;
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("fixtures/statistics.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap_or(f64::NAN)).collect()
}

fn close(own: f64, other: f64, what: &str) {
    let near = (own - other).abs() <= 1e-6 * other.abs().max(1e-9) + 1e-12;
    assert!(near || (own.is_nan() && other.is_nan()), "{what}: {own} is not {other}");
}

#[test]
fn series_statistics_agree() {
    for case in golden()["series"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let y = numbers(&case["y"]);
        let x: Vec<f64> = (0..y.len()).map(|at| at as f64).collect();
        close(theil_sen(&x, &y).unwrap(), case["theil_sen"].as_f64().unwrap(), name);
        close(robust_deviation(&y), case["mad"].as_f64().unwrap(), name);
        let plain = mann_kendall(&y);
        for (own, other) in [plain.s, plain.variance, plain.z, plain.p].into_iter().zip(numbers(&case["mann_kendall"]))
        {
            close(own, other, &format!("mann_kendall {name}"));
        }
        let ends: Vec<usize> = numbers(&case["pelt"]).into_iter().map(|end| end as usize).collect();
        assert_eq!(pelt(&y, 6.0, 2), ends, "{name}");
        if name != "equal" {
            let hamed = hamed_rao(&y);
            for (own, other) in [hamed.variance, hamed.z, hamed.p].into_iter().zip(numbers(&case["hamed_rao"])) {
                close(own, other, &format!("hamed_rao {name}"));
            }
        }
    }
}

/// The same posterior by numpy on a finer grid with exact Student distributions.
#[test]
fn the_autoregressive_line_agrees() {
    for case in golden()["autoregressive_line"].as_array().unwrap() {
        let y = numbers(&case["y"]);
        let x: Vec<f64> = (0..y.len()).map(|at| at as f64 * 0.5).collect();
        let own = autoregressive_line(&x, &y).unwrap();
        let other = numbers(&case["line"]);
        let width = other[2] - other[1];
        for (own, other) in [own.slope, own.low, own.high].into_iter().zip(&other) {
            assert!((own - other).abs() < 0.01 * width, "{}: {own} is not {other}", case["name"]);
        }
        assert!(
            (own.p_growth - other[3]).abs() < 2e-3 && (own.correlation - other[4]).abs() < 5e-3,
            "{}",
            case["name"]
        );
    }
}

#[test]
fn distributions_agree() {
    let golden = golden();
    for row in golden["student"].as_array().unwrap() {
        let row = numbers(row);
        close(student_tail(row[0], row[1]), row[2], "student");
    }
    for row in golden["student_quantile"].as_array().unwrap() {
        let row = numbers(row);
        close(student_quantile(0.025, row[0]), row[1], "student quantile");
    }
    for row in golden["normal"].as_array().unwrap() {
        let row = numbers(row);
        close(normal_tail(row[0]), row[1], "normal");
    }
    let adjusted = benjamini_yekutieli(&numbers(&golden["p"]));
    for (own, other) in adjusted.into_iter().zip(numbers(&golden["benjamini_yekutieli"])) {
        close(own, other, "benjamini_yekutieli");
    }
}

/// Degenerate series: `fixtures/make_degenerate.py` asked the libraries. Where they have a number it is ours too; where they
/// raise or have none, ours is the answer that claims nothing. Missing numbers are left out before, as pymannkendall does.
#[test]
fn degenerate_series_are_answered_as_elsewhere_or_with_nothing() {
    let golden: Value = serde_json::from_str(include_str!("fixtures/degenerate.json")).unwrap();
    for case in golden.as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let y: Vec<f64> = numbers(&case["y"]).into_iter().filter(|value| value.is_finite()).collect();
        let is_whole = y.len() == case["y"].as_array().unwrap().len();
        let x: Vec<f64> = (0..y.len()).map(|at| at as f64).collect();
        let known = |key: &str| case[key].as_array().filter(|_| is_whole).and_then(|found| found[0].as_f64());
        match known("theil_sen") {
            Some(slope) => close(theil_sen(&x, &y).unwrap(), slope, name),
            None => assert!(theil_sen(&x, &y).is_none() || !is_whole, "{name}"),
        }
        if let Some(mad) = known("mad") {
            close(robust_deviation(&y), mad, name);
        }
        for (own, key) in [(mann_kendall(&y), "mann_kendall"), (hamed_rao(&y), "hamed_rao")] {
            let others = if case[key].is_array() { numbers(&case[key]) } else { vec![f64::NAN; 4] };
            for (own, other) in [own.s, own.variance, own.z, own.p].into_iter().zip(others) {
                assert!(own.is_finite(), "{key} {name}");
                if other.is_finite() {
                    close(own, other, &format!("{key} {name}"));
                }
            }
        }
        let ends = pelt(&y, 6.0, 2);
        assert_eq!(ends.last().copied().unwrap_or(0), y.len(), "{name}");
        if let Some(others) = case["pelt"].as_array().filter(|_| is_whole) {
            // Several cuts may cost the same, so the costs are compared.
            let others: Vec<usize> = others.iter().map(|end| end.as_f64().unwrap() as usize).collect();
            let (own, other) = (segmentation_cost(&y, &ends), segmentation_cost(&y, &others));
            assert!(own <= other + 1e-9 * other.abs().max(1.0), "{name}: {ends:?} costs {own}, {others:?} {other}");
        }
    }
}

/// Squared error of the segments and 6 for each cut.
fn segmentation_cost(y: &[f64], ends: &[usize]) -> f64 {
    let mut start = 0;
    let mut cost = -6.0;
    for &end in ends {
        let part = &y[start..end];
        let mean = part.iter().sum::<f64>() / part.len() as f64;
        cost += 6.0 + part.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
        start = end;
    }
    cost
}

#[test]
fn degenerate_input_is_answered() {
    assert_eq!(theil_sen(&[1.0], &[2.0]), None);
    assert_eq!(theil_sen(&[1.0, 1.0], &[2.0, 3.0]), None);
    assert_eq!(mann_kendall(&[]).p, 1.0);
    assert_eq!(hamed_rao(&[1.0, 2.0]).s, 1.0);
    assert_eq!(mser(&[5.0; 10]), 0);
    assert_eq!(mser(&[9.0, 9.0, 1.0, 1.1, 1.0, 1.1, 1.0, 1.1]), 2);
    assert!(pelt(&[], 1.0, 2).is_empty());
    assert!(autoregressive_line(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]).is_none());
    assert!(autoregressive_line(&[1.0; 8], &[1.0; 8]).is_none());
    let flat = autoregressive_line(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &[7.0; 6]).unwrap();
    assert_eq!((flat.slope, flat.p_growth), (0.0, 1.0));
    assert!(benjamini_yekutieli(&[]).is_empty());
}
