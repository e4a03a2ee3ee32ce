//! The server's own numbers, as Prometheus reads them.

use std::collections::BTreeMap;

/// One scrape: samples by name with labels, as written.
#[derive(Debug, Clone, Default)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Reads the Prometheus text format.
    pub fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    /// A sample by its name with labels; 0 when the server has not counted it yet.
    pub fn value(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }

    /// Whether there is such a sample.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The sum over all labels of a name.
    pub fn sum(&self, name: &str) -> f64 {
        let of_name = |key: &&String| key.split('{').next() == Some(name);
        self.0.keys().filter(of_name).map(|key| self.value(key)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_their_labels() {
        let metrics = Metrics::parse("# TYPE a gauge\na{b=\"c d\"} 2\na{b=\"e\"} 3\nf 1.5\n");
        assert_eq!(metrics.value("a{b=\"c d\"}"), 2.0);
        assert_eq!((metrics.sum("a"), metrics.value("f"), metrics.value("g")), (5.0, 1.5, 0.0));
        assert!(metrics.has("f") && !metrics.has("g"));
    }
}
