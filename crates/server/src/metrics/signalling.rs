//! Numbers of how WebRTC sessions begin.

use prometheus::IntCounter;

use super::Add;

/// Numbers of WHIP and WHEP.
#[derive(Debug, Clone)]
pub struct SignallingMetrics {
    /// `tally_signalling_limited_total`: refused because their address had sent too many.
    pub limited: IntCounter,
    /// `tally_signalling_counter_offers_total`: viewers who were offered something else to play.
    pub counter_offers: IntCounter,
    /// `tally_signalling_counter_offers_refused_total`: not made because too many waited.
    pub counter_offers_refused: IntCounter,
}

impl SignallingMetrics {
    pub(super) fn new(add: &Add<'_>) -> Self {
        Self {
            limited: add.counter(
                "tally_signalling_limited_total",
                "Requests of WHIP and WHEP refused because their address had sent too many.",
            ),
            counter_offers: add.counter(
                "tally_signalling_counter_offers_total",
                "WHEP viewers offered something else to play than they asked for.",
            ),
            counter_offers_refused: add.counter(
                "tally_signalling_counter_offers_refused_total",
                "Counter-offers not made because too many waited for their answer.",
            ),
        }
    }
}
