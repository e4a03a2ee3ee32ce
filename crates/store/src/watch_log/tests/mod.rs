//! The log on disks that fail and machines that crash.

mod crashes;
mod facts;
mod faults;
mod memory_disk;
