//! The memory of a sweep does not grow with its seeds. Alone in its file: it asks the system for the most that any
//! child took.
#![cfg(unix)]

mod support;

use nix::sys::resource::{UsageWho, getrusage};
use support::command::succeed;

/// The most memory that any finished child of this process took, in MiB.
fn most_memory_of_children() -> f64 {
    let most = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() as f64;
    // Bytes on macOS, KiB elsewhere.
    if cfg!(target_os = "macos") { most / 1048576.0 } else { most / 1024.0 }
}

#[test]
fn ten_times_the_seeds_take_no_more_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut most = Vec::new();
    for seeds in ["30000", "300000"] {
        let args =
            ["sweep", "--backend", "cpu", "--seeds", seeds, "--max-steps", "20", "--memory", "4", "--out", seeds];
        succeed(dir.path(), &args);
        most.push(most_memory_of_children());
    }
    assert!(most[1] < 512.0, "{most:?} MiB");
    // Ten times the seeds add 50 MB of columns. An allocator may keep two MiB from one chunk to the next.
    assert!(most[1] - most[0] < 2.0, "{most:?} MiB");
    let halves: Vec<String> = (1..=2).map(|part| format!("part-{part}")).collect();
    for (part, out) in halves.iter().enumerate() {
        let shard = format!("{}/2", part + 1);
        let args = ["sweep", "--backend", "cpu", "--seeds", "300000", "--max-steps", "20", "--memory", "4"];
        succeed(dir.path(), &[&args[..], &["--shard", &shard, "--out", out]].concat());
    }
    succeed(dir.path(), &["merge", &halves[0], &halves[1], "--out", "merged"]);
    // A merge copies 4 MiB at a time.
    assert!(most_memory_of_children() - most[0] < 6.0, "{most:?}, {} MiB", most_memory_of_children());
    support::command::assert_same_columns(&dir.path().join("merged"), &dir.path().join("300000"));
}
