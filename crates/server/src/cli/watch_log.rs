//! `tally watch-log`: the log that watch time is counted from, read by another process than the one that
//! writes it.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use tally_store::Store;
use tally_store::watch_log::{Directory, Disk as _, Recovered, files, read};
use tally_watch::log::{Entry, Frames, Record, ReplayReport, decode};
use tally_watch::{Figures, FinalRecord, ShowId};

use crate::assembly::open_store;
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Replay the log, print the figures of every show it knows, and compare final ones with those in
    /// the database. Exits with 1 if something is missing, damaged or different.
    Verify {
        /// Another folder than the configured one, such as a copy; the database is left out then.
        directory: Option<PathBuf>,
    },
    /// Print every record, one a line: node, epoch and sequence, when it was written, what it says.
    Dump {
        /// Another folder than the configured one.
        directory: Option<PathBuf>,
        /// Only records of this show, by its number as `verify` prints it.
        #[arg(long)]
        show: Option<String>,
    },
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let configured = || config.server.watch_log_dir();
    match command {
        Command::Verify { directory: Some(directory) } => {
            finish(verify(&Directory::at(directory), &mut out)?.1)
        }
        Command::Verify { directory: None } => {
            let (ledger, mut problems) = verify(&Directory::at(&configured()), &mut out)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let store = open_store(config).await?;
                let compared = compare(&ledger, &store, &mut out).await;
                store.close().await;
                problems += compared?;
                finish(problems)
            })
        }
        Command::Dump { directory, show } => {
            let directory = directory.clone().unwrap_or_else(configured);
            let show = show.as_deref().map(parse_show).transpose()?;
            dump(&Directory::at(&directory), show, &mut out)
        }
    }
}

fn finish(problems: usize) -> anyhow::Result<()> {
    match problems {
        0 => Ok(()),
        1 => bail!("the watch log has a problem: see above"),
        _ => bail!("the watch log has {problems} problems: see above"),
    }
}

/// Prints what a replay gives; gives it back with the number of problems.
fn verify(log: &Directory, out: &mut impl Write) -> anyhow::Result<(Recovered, usize)> {
    let recovered = read(log).context("cannot read the watch log")?;
    let mut problems = tell_report(&recovered, out)?;
    for (show, state) in recovered.ledger.shows() {
        let figures = state.figures();
        let finals = recovered.ledger.finals(show);
        let kind = if finals.is_empty() { "provisional" } else { "evidence" };
        tell_figures(show, kind, &figures, out)?;
        if finals.last().is_some_and(|last| last.figures != figures) {
            problems += 1;
            writeln!(out, "{}  DIFFERENT: the evidence does not give the final figures", id(show))?;
        }
    }
    for (show, finals) in recovered.ledger.finalized() {
        for FinalRecord { number, figures, reason, .. } in finals {
            tell_figures(show, &format!("final {number}"), figures, out)?;
            if let Some(reason) = reason {
                writeln!(out, "{}  final {number}: {reason:?}", id(show))?;
            }
        }
    }
    Ok((recovered, problems))
}

fn tell_report(recovered: &Recovered, out: &mut impl Write) -> anyhow::Result<usize> {
    let ReplayReport { records, whole_snapshots, repeated_records, .. } = recovered.report;
    let files = recovered.files;
    writeln!(
        out,
        "{records} records in {files} files, {whole_snapshots} whole snapshots, {repeated_records} \
         records twice"
    )?;
    for position in recovered.positions.iter() {
        let (node, epoch, sequence) = (position.node.0, position.epoch, position.sequence);
        writeln!(out, "node {node}: up to record {sequence} of epoch {epoch}")?;
    }
    let report = &recovered.report;
    // A tail is torn while the server writes it, and after a crash; what was acknowledged is not in it.
    if report.torn_bytes > 0 {
        let (records, bytes) = (report.torn_records, report.torn_bytes);
        writeln!(out, "torn tail: {records} records begun in {bytes} bytes")?;
    }
    let problems = [
        ("records missing", report.missing_records),
        ("bytes damaged", report.damaged_bytes),
        ("records this version cannot read", report.unreadable_records),
        ("records cut short by a bound", report.curtailed_records),
        ("final records that contradict others", report.contradicting_finals),
        ("snapshots broken", report.broken_snapshots),
    ];
    let there: Vec<_> = problems.into_iter().filter(|(_, number)| *number > 0).collect();
    for (what, number) in &there {
        writeln!(out, "PROBLEM: {number} {what}")?;
    }
    Ok(there.len())
}

fn tell_figures(
    show: ShowId,
    kind: &str,
    figures: &Figures,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    write!(out, "{}  {kind}:", id(show))?;
    for (name, number) in Figures::NAMES.into_iter().zip(figures.to_numbers()) {
        write!(out, " {name}={number}")?;
    }
    writeln!(out)?;
    Ok(())
}

/// Holds the final figures of the database against those of the log; gives back how many differ.
async fn compare(
    recovered: &Recovered,
    store: &Store,
    out: &mut impl Write,
) -> anyhow::Result<usize> {
    let mut different = 0;
    for (show, finals) in recovered.ledger.finalized() {
        let stored = store.watch_totals().finals(show).await?;
        if stored.is_empty() {
            writeln!(out, "{}  not in the database yet", id(show))?;
        } else if stored != finals {
            different += 1;
            writeln!(out, "{}  DIFFERENT: the database has other final figures", id(show))?;
        }
    }
    Ok(different)
}

fn dump(log: &Directory, only: Option<ShowId>, out: &mut impl Write) -> anyhow::Result<()> {
    for name in files(log).context("cannot read the watch log")? {
        let bytes = log.read(&name).with_context(|| format!("cannot read {name}"))?;
        writeln!(out, "# {name}")?;
        let mut frames = Frames::new(&bytes);
        for payload in frames.by_ref() {
            match decode(payload) {
                Ok(record) if only.is_some() && show_of(&record.entry) != only => {}
                Ok(record) => tell_record(&record, out)?,
                Err(error) => writeln!(out, "# {error}")?,
            }
        }
        let tail = frames.tail();
        if tail.damaged_bytes + tail.torn_bytes > 0 {
            let (damaged, torn) = (tail.damaged_bytes, tail.torn_bytes);
            writeln!(out, "# {damaged} bytes damaged, {torn} bytes torn off")?;
        }
    }
    Ok(())
}

fn show_of(entry: &Entry) -> Option<ShowId> {
    match entry {
        Entry::Evidence(evidence) => Some(evidence.show),
        Entry::Final { show, .. } => Some(*show),
        Entry::SnapshotBegin { .. } | Entry::SnapshotEnd { .. } => None,
    }
}

fn tell_record(record: &Record, out: &mut impl Write) -> anyhow::Result<()> {
    let Record { position, at_ms, entry } = record;
    let (node, epoch, sequence) = (position.node.0, position.epoch, position.sequence);
    write!(out, "{node} {epoch} {sequence} {at_ms} ")?;
    match entry {
        Entry::Evidence(evidence) => writeln!(out, "{} {:?}", id(evidence.show), evidence.fact)?,
        Entry::Final { show, record } => writeln!(out, "{} {record:?}", id(*show))?,
        Entry::SnapshotBegin { .. } => writeln!(out, "a snapshot begins")?,
        Entry::SnapshotEnd { entries } => writeln!(out, "a snapshot of {entries} records ends")?,
    }
    Ok(())
}

fn id(show: ShowId) -> String {
    format!("{:016x}", show.0)
}

fn parse_show(text: &str) -> anyhow::Result<ShowId> {
    let number = u64::from_str_radix(text, 16);
    Ok(ShowId(number.with_context(|| format!("{text} is no number of a show"))?))
}

#[cfg(test)]
#[path = "watch_log_tests.rs"]
mod tests;
