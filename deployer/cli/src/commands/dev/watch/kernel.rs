//! Changes as the kernel of Linux tells them: inotify(7).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use super::Change;

/// Bytes for events: at least one with a name of 255 bytes.
const BUFFER: usize = 16 * 1024;
/// The events of a folder that can mean a change.
const EVENTS: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);
/// Those in which a name appears or disappears.
const WHOLE: ReadFlags = ReadFlags::CREATE
    .union(ReadFlags::MOVED_FROM)
    .union(ReadFlags::MOVED_TO)
    .union(ReadFlags::DELETE)
    .union(ReadFlags::DELETE_SELF)
    .union(ReadFlags::MOVE_SELF);

/// The folders that the kernel watches.
#[derive(Debug)]
pub struct Kernel {
    events: AsyncFd<OwnedFd>,
    folders: RefCell<BTreeMap<i32, PathBuf>>,
}

impl Kernel {
    /// Creates a watch on no folder.
    pub fn new() -> std::io::Result<Self> {
        let descriptor = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        #[expect(deprecated, reason = "the function in its place is unsafe; an `OwnedFd` keeps its contract")]
        let events = AsyncFd::new(descriptor)?;
        Ok(Self { events, folders: RefCell::default() })
    }

    /// Watches these folders, and no others. Returns why one can't be watched.
    pub fn set(&self, folders: &BTreeSet<PathBuf>) -> Result<(), String> {
        let mut known = BTreeMap::new();
        for folder in folders {
            // A folder that is watched already keeps its number, and one that was made anew gets another.
            match inotify::add_watch(self.events.get_ref(), folder, EVENTS) {
                Ok(number) => drop(known.insert(number, folder.clone())),
                // It has gone a moment ago, which the folder above tells.
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(Errno::NOSPC) => {
                    return Err(format!(
                        "this user watches too many folders, {} of them here (`fs.inotify.max_user_watches`)",
                        folders.len()
                    ));
                }
                Err(error) => return Err(format!("{} can't be watched: {error}", folder.display())),
            }
        }
        let before = self.folders.replace(known);
        let folders = self.folders.borrow();
        for number in before.keys().filter(|number| !folders.contains_key(number)) {
            // The kernel has let go of a folder that was deleted.
            let _ = inotify::remove_watch(self.events.get_ref(), *number);
        }
        Ok(())
    }

    /// Waits for events, and returns the changes among them that `counts` takes.
    pub async fn next(&self, counts: impl Fn(&Path, bool) -> bool) -> Vec<Change> {
        let Ok(mut ready) = self.events.readable().await else {
            // The runtime ends.
            return std::future::pending().await;
        };
        let mut out = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut reader = inotify::Reader::new(self.events.get_ref(), &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let flags = event.events();
                    if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                        // Events were lost, so anything may have changed.
                        let folders = self.folders.borrow();
                        out.extend(
                            folders.values().map(|folder| Change { path: folder.clone(), open: false }),
                        );
                        continue;
                    }
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    if let Some(path) = self.path(event.wd(), name)
                        && counts(&path, flags.intersects(WHOLE))
                    {
                        out.push(Change { open: is_open(flags, &path), path });
                    }
                    if flags.contains(ReadFlags::IGNORED) {
                        self.folders.borrow_mut().remove(&event.wd());
                    }
                }
                Err(Errno::WOULDBLOCK) => {
                    ready.clear_ready();
                    return out;
                }
                Err(Errno::INTR) => {}
                Err(_) => return out,
            }
        }
    }

    fn path(&self, number: i32, name: Option<&OsStr>) -> Option<PathBuf> {
        let folders = self.folders.borrow();
        let folder = folders.get(&number)?;
        Some(name.map_or_else(|| folder.clone(), |name| folder.join(name)))
    }
}

/// Returns whether the end of this change will be told: a file was changed, or created, and is not closed yet.
fn is_open(flags: ReadFlags, path: &Path) -> bool {
    if flags.contains(ReadFlags::ISDIR) || flags.intersects(ReadFlags::CLOSE_WRITE) {
        return false;
    }
    flags.contains(ReadFlags::MODIFY)
        // A link has no content that could follow.
        || (flags.contains(ReadFlags::CREATE)
            && path.symlink_metadata().is_ok_and(|data| data.is_file() && data.len() == 0))
}
