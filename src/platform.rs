//! Everything that depends on the operating system, in one file.
//!
//! Linux is what it is tested on. macOS and Windows are untested: on other Unix systems the same calls apply, elsewhere files get the
//! modes of the system, the process is not hardened, and of all signals only Ctrl+C is there. Not here: the screen and the socket, whose
//! crates hide the differences.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

/// What the system says when a socket is asked for of a family it does not have; `io::ErrorKind` has no name for it.
#[cfg(unix)]
pub const NO_SUCH_FAMILY: i32 = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
#[cfg(not(unix))]
pub const NO_SUCH_FAMILY: i32 = 10047;

/// Keeps secrets of the whole process from leaving it by the back door: no core dump, no reading of its memory by other programs of
/// the same user, no file that others may read. To be called first in `main`.
pub fn harden() -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit, umask};
        setrlimit(
            Resource::Core,
            Rlimit {
                current: Some(0),
                maximum: Some(0),
            },
        )?;
        umask(rustix::fs::Mode::from_raw_mode(0o077));
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    Ok(())
}

/// Every datagram of this socket leaves whole, with the don't-fragment bit, whatever ICMP messages say about the size of the path: they can
/// be forged, and a cell in two fragments would be one that Eve can tell from the others. Elsewhere than on Linux the system decides.
#[cfg(target_os = "linux")]
pub fn never_fragment(socket: &(impl std::os::fd::AsFd + ?Sized)) -> io::Result<()> {
    use rustix::net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
        socket_domain,
    };
    // A socket of the IPv6 family carries both; the option of IPv4 is its own there too.
    if socket_domain(socket)? == rustix::net::AddressFamily::INET6 {
        set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::PROBE)?;
    }
    Ok(set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::PROBE)?)
}

#[cfg(not(target_os = "linux"))]
pub fn never_fragment<S: ?Sized>(_: &S) -> io::Result<()> {
    Ok(())
}

/// Makes a directory, and those above it that are missing, for the owner alone; one that is there gets the same mode, unless it is
/// somebody else's or shared by many: then it is refused and left as it is.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    if path.try_exists()? {
        if !is_ours(path)? {
            return Err(refused("it belongs to another user"));
        }
        if is_shared(path)? {
            return Err(refused("several users share it"));
        }
    }
    let missing: Vec<&Path> = (path.ancestors())
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    private_builder().recursive(true).create(path)?;
    // What was made must be found again after a power cut. A directory that may be written and not read cannot be synced.
    for above in missing.iter().filter_map(|made| made.parent()) {
        let here = above.as_os_str().is_empty();
        let _ = sync_directory(if here { Path::new(".") } else { above });
    }
    restrict(path, 0o700).map(drop)
}

/// Makes a directory for the owner alone that must not be there yet, not even as a link.
pub fn make_new_private_directory(path: &Path) -> io::Result<()> {
    private_builder().create(path)?;
    restrict(path, 0o700).map(drop)
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

fn private_builder() -> fs::DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only Unix sets a mode"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder
}

/// How a private file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// It must be there.
    Existing,
    /// It must not be there.
    New,
    /// Made if it is missing, never emptied.
    Either,
}

/// Opens a file for reading and writing by the owner alone, whatever the umask. A symbolic link in the last place is refused: it could
/// make us write elsewhere.
pub fn open_private(path: &Path, how: Open) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match how {
        Open::Existing => {}
        Open::New => {
            options.create_new(true);
        }
        Open::Either => {
            options.create(true).truncate(false);
        }
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    }
    options.open(path)
}

/// Sets the mode bits of a file or directory if they differ, so that what is right already is not touched. Whether others had rights to it.
pub fn restrict(path: &Path, mode: u32) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let found = fs::metadata(path)?.permissions().mode() & 0o7777;
        if found != mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        Ok(found & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = (path, mode);
        Ok(false)
    }
}

/// Whether a directory is one in which several users keep their things, as /tmp is.
fn is_shared(path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        const STICKY: u32 = 0o1000;
        Ok(fs::metadata(path)?.permissions().mode() & STICKY != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(false)
    }
}

/// Whether a file or directory belongs to the user who runs the program.
pub fn is_ours(path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Ok(fs::metadata(path)?.uid() == rustix::process::geteuid().as_raw())
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(true)
    }
}

/// Makes what was renamed, made or removed in a directory durable.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        File::open(path)?.sync_all()
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(())
    }
}

/// Whether a process of this number runs. `false` where that cannot be told.
pub fn process_exists(pid: u32) -> bool {
    #[cfg(unix)]
    {
        let pid = i32::try_from(pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        // Not being allowed to signal it is an answer too: it is there.
        pid.is_some_and(|pid| {
            !matches!(
                rustix::process::test_kill_process(pid),
                Err(rustix::io::Errno::SRCH)
            )
        })
    }
    #[cfg(not(unix))]
    {
        let _ = pid;
        false
    }
}

/// The wish of the system or of the person that the program end, stop or go on.
pub mod signals {
    use std::io;

    #[cfg(unix)]
    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// Waits for the end: SIGINT, SIGTERM or SIGHUP.
    pub struct Signals {
        #[cfg(unix)]
        interrupt: Signal,
        #[cfg(unix)]
        terminate: Signal,
        #[cfg(unix)]
        hangup: Signal,
    }

    #[cfg(unix)]
    impl Signals {
        /// From here on the signals no longer kill the process. Inside a runtime.
        pub fn new() -> io::Result<Signals> {
            Ok(Signals {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hangup: signal(SignalKind::hangup())?,
            })
        }

        /// Returns at the first of them. Safe to drop while it waits.
        pub async fn wait(&mut self) {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
                _ = self.hangup.recv() => {}
            }
        }
    }

    #[cfg(not(unix))]
    impl Signals {
        pub fn new() -> io::Result<Signals> {
            Ok(Signals {})
        }

        pub async fn wait(&mut self) {
            // Where Ctrl+C cannot be watched it still kills the process.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// What the shell did with the process.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Job {
        /// SIGTSTP from outside (from the keyboard it comes as a key): the process shall stop.
        Stop,
        /// SIGCONT: somebody else may have used the terminal.
        Continued,
    }

    /// Watches what the shell does with a process that has the terminal.
    pub struct JobControl {
        #[cfg(unix)]
        stop: Signal,
        #[cfg(unix)]
        continued: Signal,
    }

    #[cfg(unix)]
    impl JobControl {
        /// From here on SIGTSTP no longer stops the process by itself. Inside a runtime.
        pub fn new() -> io::Result<JobControl> {
            use signal_hook::consts::{SIGCONT, SIGTSTP};
            Ok(JobControl {
                stop: signal(SignalKind::from_raw(SIGTSTP))?,
                continued: signal(SignalKind::from_raw(SIGCONT))?,
            })
        }

        /// Safe to drop while it waits.
        pub async fn next(&mut self) -> Job {
            tokio::select! {
                _ = self.stop.recv() => Job::Stop,
                _ = self.continued.recv() => Job::Continued,
            }
        }
    }

    #[cfg(not(unix))]
    impl JobControl {
        pub fn new() -> io::Result<JobControl> {
            Ok(JobControl {})
        }

        pub async fn next(&mut self) -> Job {
            std::future::pending().await
        }
    }

    /// Stops the whole process as the shell expects; returns when it is continued. At once where there is no job control.
    pub fn stop_here() {
        #[cfg(unix)]
        let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP);
    }
}

/// Longest line that is read without being shown: what a terminal takes as one line.
const HIDDEN_LINE: usize = 4096;

/// Asks the person at the controlling terminal, wherever stdin and stdout lead, and reads one line that is not shown.
///
/// `Ok(None)`: there is no terminal to ask at. An error of kind `Interrupted`: the person pressed Ctrl+C or ended the input.
pub fn ask_hidden(question: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    #[cfg(unix)]
    {
        let Ok(terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
            return Ok(None);
        };
        read_hidden(terminal, question).map(Some)
    }
    #[cfg(not(unix))]
    {
        let _ = (question, HIDDEN_LINE);
        Ok(None)
    }
}

/// The terminal edits the line itself. Its signal keys are ordinary ones meanwhile: a process that they end or stop would leave the terminal
/// without echo. Ctrl+C ends the line, so that it is heard at once.
#[cfg(unix)]
fn read_hidden(mut terminal: File, question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    use rustix::termios::{
        LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
    };
    use std::io::{Read, Write};

    const CTRL_C: u8 = 3;

    struct Restored<'a>(&'a File, Termios);
    impl Drop for Restored<'_> {
        fn drop(&mut self) {
            let _ = tcsetattr(self.0, OptionalActions::Now, &self.1);
        }
    }

    let before = tcgetattr(&terminal)?;
    let mut hidden = before.clone();
    hidden
        .local_modes
        .remove(LocalModes::ECHO | LocalModes::ISIG);
    hidden
        .local_modes
        .insert(LocalModes::ICANON | LocalModes::ECHONL);
    hidden.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
    let reader = terminal.try_clone()?;
    let restored = Restored(&reader, before);
    tcsetattr(&reader, OptionalActions::Flush, &hidden)?;
    terminal.write_all(question.as_bytes())?;
    let mut line = Zeroizing::new(vec![0; HIDDEN_LINE]);
    let count = loop {
        match (&reader).read(&mut line) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => break read?,
        }
    };
    drop(restored);
    line.truncate(count);
    match line.last() {
        Some(b'\n') => {
            line.pop();
            Ok(line)
        }
        // Ctrl+C, Ctrl+D, or a terminal that has gone.
        _ => {
            let _ = terminal.write_all(b"\n");
            Err(io::ErrorKind::Interrupted.into())
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn private_things_are_for_the_owner_alone() {
        let place = tempfile::tempdir().unwrap();
        let inner = place.path().join("a").join("b");
        make_private_directory(&inner).unwrap();
        let file = inner.join("file");
        open_private(&file, Open::New).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&inner), 0o700);
        assert_eq!(mode(&place.path().join("a")), 0o700);
        assert_eq!(mode(&file), 0o600);
    }

    #[test]
    fn a_directory_that_several_users_share_is_left_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let shared = place.path().join("shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
        let error = make_private_directory(&shared).unwrap_err();
        assert_eq!(error.to_string(), "several users share it");
        let mode = fs::metadata(&shared).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o1777);
        make_private_directory(&shared.join("own")).unwrap();
    }

    #[test]
    fn rights_of_others_are_taken_and_told() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, b"").unwrap();
        for (before, told) in [(0o644, true), (0o600, false), (0o400, false)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(before)).unwrap();
            assert_eq!(restrict(&file, 0o600).unwrap(), told, "{before:o}");
            let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o600);
        }
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("target");
        fs::write(&target, b"untouched").unwrap();
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(open_private(&link, Open::Either).is_err());
    }

    #[test]
    fn this_process_runs_and_an_impossible_one_does_not() {
        assert!(process_exists(std::process::id()));
        assert!(!process_exists(u32::MAX));
    }
}
