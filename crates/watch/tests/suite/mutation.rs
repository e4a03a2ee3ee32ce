//! The check of the checks: every wrong variant is caught, by the invariant that is about it. The right
//! one is caught by none: see the properties.

use crate::invariants::ALL;
use crate::subject::Variant;

/// Random shows a variant is tried on; most are caught by one of the first five.
const SEEDS: u64 = 100;

#[test]
fn every_wrong_variant_is_caught_by_the_invariant_that_is_about_it() {
    for variant in Variant::WRONG {
        let about = match variant {
            Variant::Right => continue,
            Variant::SumOfSessions => 3,
            Variant::ClientClock | Variant::MediaAxisOnly => 4,
            Variant::WallAxisOnly | Variant::CountHead => 2,
            Variant::NoAdmission => 12,
            Variant::AddIncrements => 6,
            Variant::DoubleOnRenditionSwitch | Variant::CountAborted => 15,
            Variant::IgnoreHoles => 1,
            Variant::IgnoreVerdicts => 11,
        };
        let caught = (0..SEEDS).find_map(|seed| ALL[about](variant, seed).err());
        let said = caught.unwrap_or_else(|| panic!("{variant:?} is not caught by {about}"));
        println!("{variant:?}: {about} says {said}");
        assert_eq!(ALL[about](Variant::Right, 0), Ok(()));
    }
}
