//! What collections and a late event loop cost an isolate.

use std::collections::BTreeMap;

use brimline_store::node_capture::{Collections, NodeSample};
use serde_json::{Value, json};

/// Sums over the series of isolates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pauses {
    kinds: BTreeMap<String, Collections>,
    seconds: f64,
    loop_delay: f64,
}

impl Pauses {
    /// Adds what an isolate measured.
    pub(crate) fn add(&mut self, samples: &[NodeSample]) {
        if let (Some(first), Some(last)) = (samples.first(), samples.last()) {
            self.seconds = self.seconds.max(last.seconds - first.seconds);
        }
        for sample in samples {
            for (kind, one) in &sample.gc {
                let sum = self.kinds.entry(kind.clone()).or_default();
                sum.count += one.count;
                sum.seconds += one.seconds;
            }
            self.loop_delay = self.loop_delay.max(sample.loop_delay_seconds.unwrap_or(0.0));
        }
    }

    /// A fact for the head of a report; `None` where nothing was collected.
    pub(crate) fn heading(&self) -> Option<String> {
        let kinds: Vec<String> = self
            .kinds
            .iter()
            .filter(|(_, one)| one.count > 0)
            .map(|(kind, one)| format!("{} {kind} {:.0} ms", one.count, one.seconds * 1e3))
            .collect();
        let delay = format!("event loop late by at most {:.0} ms", self.loop_delay * 1e3);
        (!kinds.is_empty()).then(|| format!("collections: {}; {delay}", kinds.join(", ")))
    }

    /// The same for programs.
    pub(crate) fn to_json(&self) -> Value {
        let kinds: serde_json::Map<String, Value> = self
            .kinds
            .iter()
            .map(|(kind, one)| (kind.clone(), json!({"count": one.count, "seconds": one.seconds})))
            .collect();
        json!({"collections": kinds, "longest_loop_delay_seconds": self.loop_delay, "seconds": self.seconds})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_kind() {
        let gc = |count, seconds| [("Scavenge".to_owned(), Collections { count, seconds })].into();
        let sample =
            |at, gc, delay| NodeSample { seconds: at, gc, loop_delay_seconds: Some(delay), ..NodeSample::default() };
        let mut pauses = Pauses::default();
        assert_eq!(pauses.heading(), None);
        pauses.add(&[sample(1.0, gc(2, 0.01), 0.5), sample(2.0, gc(1, 0.02), 0.1)]);
        assert_eq!(pauses.heading().unwrap(), "collections: 3 Scavenge 30 ms; event loop late by at most 500 ms");
        assert_eq!(pauses.to_json()["collections"]["Scavenge"]["count"], 3);
    }
}
