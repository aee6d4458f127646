//! `-tagfocus` and `-tagignore`: labels by expression or by range of values.

use std::collections::HashMap;

use regex::Regex;

use crate::expression;
use crate::labels::LabelGroups;
use crate::measure::scale;
use crate::model::View;
use crate::samples::Sample;

/// A condition on the labels of a sample.
#[derive(Debug)]
pub(crate) struct TagFilter {
    /// Label the condition is about; any if empty.
    key: Option<String>,
    condition: Condition,
}

#[derive(Debug)]
enum Condition {
    /// Numeric labels from `least` to `most`, in `unit`.
    Range { least: Option<f64>, most: Option<f64>, unit: String },
    /// Text labels; without a key all expressions must match `key:value`, with a key one must match the value.
    Expressions(Vec<Regex>),
}

impl TagFilter {
    /// Reads `[key=]value`; the second answer is the range that was recognised.
    pub(crate) fn parse(text: &str) -> Result<(Self, Option<&str>), regex::Error> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (Some(key.to_owned()), value),
            None => (None, text),
        };
        let key = key.filter(|key| !key.is_empty());
        if let Some(condition) = range(value) {
            return Ok((Self { key, condition }, Some(value)));
        }
        let expressions = value.split(',').map(expression::compile).collect::<Result<_, _>>()?;
        Ok((Self { key, condition: Condition::Expressions(expressions) }, None))
    }

    /// Whether the sample's labels fulfil the condition. `units` are the units of the numeric labels.
    pub(crate) fn matches(&self, view: &View<'_>, units: &HashMap<String, String>, sample: Sample<'_>) -> bool {
        let wanted = |key: &str| self.key.as_ref().is_none_or(|wanted| wanted == key);
        let groups = LabelGroups::new(view, sample.labels);
        match &self.condition {
            Condition::Range { least, most, unit } => {
                groups.numbers().filter(|(key, _)| wanted(key)).any(|(key, values)| {
                    let of = units.get(key).map_or("", String::as_str);
                    values.iter().any(|value| {
                        let (scaled, found) = scale(value.number, of, unit);
                        found == *unit
                            && least.is_none_or(|least| scaled >= least)
                            && most.is_none_or(|most| scaled <= most)
                    })
                })
            }
            Condition::Expressions(expressions) if self.key.is_some() => {
                let mut values = groups.texts().filter(|(key, _)| wanted(key)).flat_map(|(_, values)| values);
                values.any(|value| expressions.iter().any(|expression| expression.is_match(value)))
            }
            Condition::Expressions(expressions) => expressions.iter().all(|expression| {
                groups
                    .texts()
                    .any(|(key, values)| values.iter().any(|value| expression.is_match(&format!("{key}:{value}"))))
            }),
        }
    }
}

/// A number with its unit at the start of `text`, and the rest.
fn quantity(text: &str) -> Option<(i64, &str, &str)> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = text.len() - digits.len();
    let length = sign + digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    let number = text[..length].parse().ok()?;
    let rest = &text[length..];
    let unit = rest.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(rest.len());
    Some((number, &rest[..unit], &rest[unit..]))
}

/// `32kb`, `:64kb`, `4mb:` or `12kb:64mb`; anything else is an expression.
fn range(text: &str) -> Option<Condition> {
    let (open, rest) = match text.strip_prefix(':') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (number, unit, rest) = quantity(rest)?;
    let (first, unit) = scale(number, unit, unit);
    let (least, most) = match (open, rest) {
        (true, "") => (None, Some(first)),
        (false, "") => (Some(first), Some(first)),
        (false, ":") => (Some(first), None),
        (false, _) => {
            let (number, second, rest) = quantity(rest.strip_prefix(':')?)?;
            let (last, second) = scale(number, second, &unit);
            if second != unit || !rest.is_empty() {
                return None;
            }
            (Some(first), Some(last))
        }
        (true, _) => return None,
    };
    Some(Condition::Range { least, most, unit })
}
