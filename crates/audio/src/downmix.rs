//! Any layout to stereo, with the coefficients of ITU-R BS.775 (annex 4, table 2).
//!
//! Centre and surrounds go in at -3 dB, mono into both channels as it is, the LFE nowhere. Nothing is
//! scaled down to make room, as browsers do it too: dialogue keeps its level between a show in stereo
//! and one in 5.1. What goes over full scale is clipped.

use std::f32::consts::FRAC_1_SQRT_2;

use syom::Channel;

use crate::Stereo;

/// Mixes `planes`, whose places `labels` tells in the same order, to the end of `out`.
pub(crate) fn mix(planes: &[&[f32]], labels: &[Channel], out: &mut Stereo) {
    let samples = planes.iter().map(|plane| plane.len()).min().unwrap_or(0);
    let start = out[0].len();
    for side in out.iter_mut() {
        side.resize(start + samples, 0.0);
    }
    for (number, plane) in planes.iter().enumerate() {
        let gains = match planes.len() {
            1 => [1.0, 1.0],
            2 if number == 0 => [1.0, 0.0],
            2 => [0.0, 1.0],
            _ => gains(labels.get(number).copied().unwrap_or_default()),
        };
        for (side, gain) in out.iter_mut().zip(gains) {
            if gain > 0.0 {
                for (sum, sample) in side[start..].iter_mut().zip(*plane) {
                    *sum += gain * sample;
                }
            }
        }
    }
    for side in out.iter_mut() {
        side[start..].iter_mut().for_each(|sample| *sample = clip(*sample));
    }
}

/// Within full scale, and silence where a decoder made no number of damaged input: encoders refuse both.
pub(crate) fn clip(sample: f32) -> f32 {
    if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) }
}

const fn gains(channel: Channel) -> [f32; 2] {
    match channel {
        Channel::FrontLeft => [1.0, 0.0],
        Channel::FrontRight => [0.0, 1.0],
        Channel::BackLeft | Channel::SideLeft => [FRAC_1_SQRT_2, 0.0],
        Channel::BackRight | Channel::SideRight => [0.0, FRAC_1_SQRT_2],
        Channel::FrontCenter | Channel::BackCenter => [FRAC_1_SQRT_2, FRAC_1_SQRT_2],
        _ => [0.0, 0.0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(planes: &[&[f32]], layout: &[Channel]) -> [f32; 2] {
        let mut out = Stereo::default();
        mix(planes, layout, &mut out);
        [out[0][0], out[1][0]]
    }

    #[test]
    fn surround_goes_in_at_minus_three_decibels_and_the_lfe_not_at_all() {
        let layout = syom::mpeg_channels(6);
        let at = |name: Channel| {
            let planes: Vec<[f32; 1]> =
                layout.iter().map(|&c| [if c == name { 0.5 } else { 0.0 }]).collect();
            let planes: Vec<&[f32]> = planes.iter().map(|plane| &plane[..]).collect();
            mixed(&planes, layout)
        };
        let soft = 0.5 * FRAC_1_SQRT_2;
        assert_eq!(at(Channel::FrontLeft), [0.5, 0.0]);
        assert_eq!(at(Channel::FrontRight), [0.0, 0.5]);
        assert_eq!(at(Channel::FrontCenter), [soft, soft]);
        assert_eq!(at(Channel::BackLeft), [soft, 0.0]);
        assert_eq!(at(Channel::BackRight), [0.0, soft]);
        assert_eq!(at(Channel::Lfe), [0.0, 0.0]);
    }

    #[test]
    fn mono_goes_into_both() {
        assert_eq!(mixed(&[&[0.25]], syom::mpeg_channels(1)), [0.25, 0.25]);
    }

    #[test]
    fn what_is_over_full_scale_or_no_number_is_brought_back() {
        let loud: Vec<&[f32]> = vec![&[0.9]; 5];
        assert_eq!(mixed(&loud, syom::mpeg_channels(5)), [1.0, 1.0]);
        assert_eq!(mixed(&[&[f32::NAN], &[f32::INFINITY]], &[]), [0.0, 1.0]);
    }
}
