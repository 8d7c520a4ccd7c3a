//! Files that a command leaves for people: it never replaces anything that it has not left there itself.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{self, FORMAT, check_no_link};
use super::{RunError, check_free, create_file, files};
use crate::fingerprint::Fingerprint;

/// A directory of files that were left there, each with the digest of its content. Other files in it are not touched, and no symbolic
/// link below it is followed.
#[derive(Debug)]
pub struct Output {
    dir: PathBuf,
    /// Digests by path in the directory; several for a file that is being replaced.
    left: BTreeMap<String, Vec<String>>,
    /// The file that keeps the digests for the next call.
    list: Option<&'static str>,
}

/// The content of the file with the digests.
#[derive(Debug, Serialize, Deserialize)]
struct List {
    format: u32,
    /// The version of the program that wrote the files.
    version: String,
    files: BTreeMap<String, Vec<String>>,
}

impl Output {
    /// The new directory `dir`, which must be free; it is made with the first files.
    ///
    /// # Errors
    /// [`RunError::Exists`] if it holds anything.
    pub fn new(dir: &Path) -> Result<Self, RunError> {
        check_free(dir)?;
        Ok(Self { dir: dir.to_owned(), left: BTreeMap::new(), list: None })
    }

    /// The directory `dir`, which may hold other files, and those that an earlier call has named in the file `list` there: these may be
    /// replaced if they are as they were left.
    ///
    /// # Errors
    /// [`RunError`] for a list that cannot be read.
    pub fn again(dir: &Path, list: &'static str) -> Result<Self, RunError> {
        let path = dir.join(list);
        let left = layout::read::<List>(&path)?.map_or_else(BTreeMap::new, |list| list.files);
        Ok(Self { dir: dir.to_owned(), left, list: Some(list) })
    }

    /// Fails if the file `name` could not be written because of what is there.
    ///
    /// # Errors
    /// [`RunError::InTheWay`] or [`RunError::Link`].
    pub fn check(&self, name: &str) -> Result<(), RunError> {
        let path = self.dir.join(name);
        let mut folders = path.ancestors().skip(1).take_while(|folder| *folder != self.dir);
        folders.try_for_each(check_no_link)?;
        check_no_link(&path)?;
        let what = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == ErrorKind::IsADirectory => "a directory",
            Err(error) => return Err(RunError::io(&path, error)),
            Ok(found) => match self.left.get(name) {
                Some(left) if left.contains(&digest(&found)) => return Ok(()),
                Some(_) => "not as it was left there: it was changed since",
                None => "there already and was not left by this command",
            },
        };
        Err(RunError::InTheWay { path, what })
    }

    /// Writes `files`, by their paths in the directory, each in one step. If one of them would replace somebody else's file, none is
    /// written.
    ///
    /// # Errors
    /// [`RunError::InTheWay`] or [`RunError::Link`] for a file that is not to be replaced, [`RunError::Io`] if the disk refuses.
    pub fn write(&mut self, files: &[(String, Vec<u8>)]) -> Result<(), RunError> {
        files.iter().try_for_each(|(name, _)| self.check(name))?;
        let digests: BTreeMap<String, Vec<String>> =
            files.iter().map(|(name, content)| (name.clone(), vec![digest(content)])).collect();
        // Old and new digests, so that after a kill each file is still known as left here.
        let mut either = self.left.clone();
        for (name, digest) in &digests {
            either.entry(name.clone()).or_default().extend_from_slice(digest);
        }
        self.keep_list(&either)?;
        for (name, content) in files {
            let path = self.dir.join(name);
            let written = if self.left.contains_key(name) && path.exists() {
                files::replace(&path, |file| file.write_all(content))
            } else {
                create_file(&path, content)
            };
            match written {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    return Err(RunError::InTheWay { path, what: "there already: another process was quicker" });
                }
                written => written.map_err(|error| RunError::io(&path, error))?,
            }
            self.left.insert(name.clone(), vec![digest(content)]);
        }
        self.left.extend(digests);
        self.keep_list(&self.left)
    }

    fn keep_list(&self, files: &BTreeMap<String, Vec<String>>) -> Result<(), RunError> {
        let Some(list) = self.list else { return Ok(()) };
        let path = self.dir.join(list);
        fs::create_dir_all(&self.dir).map_err(|error| RunError::io(&self.dir, error))?;
        check_no_link(&path)?;
        let list = List { format: FORMAT, version: env!("CARGO_PKG_VERSION").into(), files: files.clone() };
        layout::replace(&path, &list, || Ok(()))
    }
}

fn digest(content: &[u8]) -> String {
    Fingerprint::default().add(content).digits()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Output;
    use crate::run::RunError;

    const LIST: &str = "files.json";

    fn file(name: &str, content: &str) -> (String, Vec<u8>) {
        (name.into(), content.into())
    }

    #[test]
    fn what_was_left_is_replaced_and_what_was_not_stays() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("report");
        let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
        Output::again(&dir, LIST).unwrap().write(&[file("page", "1"), file("figures/a.svg", "1")]).unwrap();
        fs::write(dir.join("notes"), "mine").unwrap();
        Output::again(&dir, LIST).unwrap().write(&[file("page", "2"), file("figures/a.svg", "2")]).unwrap();
        assert_eq!((read("page"), read("figures/a.svg"), read("notes")), ("2".into(), "2".into(), "mine".into()));
        // Neither a file that no call left here nor one that was changed is replaced, and then none of the others.
        fs::write(dir.join("figures/a.svg"), "edited").unwrap();
        for (name, says) in
            [("notes", "was not left by"), ("figures/a.svg", "changed since"), ("figures", "a directory")]
        {
            let error = Output::again(&dir, LIST)
                .unwrap()
                .write(&[file("page", "3"), file(name, "3")])
                .unwrap_err()
                .to_string();
            assert!(error.contains(name) && error.contains(says), "{error}");
        }
        assert_eq!((read("page"), read("figures/a.svg"), read("notes")), ("2".into(), "edited".into(), "mine".into()));
    }

    /// Half of the files are replaced, as after a kill.
    #[test]
    fn what_was_cut_off_half_way_is_still_known() {
        let root = tempfile::tempdir().unwrap();
        let mut output = Output::again(root.path(), LIST).unwrap();
        output.write(&[file("a", "1"), file("b", "1")]).unwrap();
        fs::create_dir(root.path().join("c")).unwrap();
        // Its place is taken only after the check.
        let either = [("a", ["1", "2"]), ("b", ["1", "2"])];
        let either = either.map(|(name, contents)| {
            (name.to_owned(), contents.iter().map(|content| super::digest(content.as_bytes())).collect())
        });
        output.keep_list(&either.into()).unwrap();
        fs::write(root.path().join("a"), "2").unwrap();
        Output::again(root.path(), LIST).unwrap().write(&[file("a", "3"), file("b", "3")]).unwrap();
        assert_eq!(fs::read_to_string(root.path().join("b")).unwrap(), "3");
    }

    #[cfg(unix)]
    #[test]
    fn no_link_is_followed() {
        let root = tempfile::tempdir().unwrap();
        let (dir, mine) = (root.path().join("report"), root.path().join("mine"));
        fs::create_dir_all(&dir).unwrap();
        fs::create_dir(&mine).unwrap();
        fs::write(mine.join("page"), "mine").unwrap();
        std::os::unix::fs::symlink(mine.join("page"), dir.join("page")).unwrap();
        std::os::unix::fs::symlink(&mine, dir.join("figures")).unwrap();
        std::os::unix::fs::symlink(mine.join("nothing"), dir.join("dangling")).unwrap();
        for name in ["page", "figures/page", "figures/new", "dangling"] {
            let written = Output::again(&dir, LIST).unwrap().write(&[file(name, "ours")]);
            assert!(matches!(written, Err(RunError::Link(_))), "{name}: {written:?}");
        }
        assert_eq!(fs::read_to_string(mine.join("page")).unwrap(), "mine");
        assert_eq!(fs::read_dir(&mine).unwrap().count(), 1);
    }
}
