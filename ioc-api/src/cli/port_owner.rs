//! Which process listens on a port, where the system lets us see it.
use std::{fmt, fs, path::Path};

/// State of a listening socket in the kernel's tables.
const LISTEN: &str = "0A";

/// A process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PortOwner {
    pid: u32,
    name: String,
}

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} ({})", self.pid, self.name)
    }
}

/// Finds the process that listens on TCP port `port`; `None` when there is none, it is another user's, or the system has
/// no such tables.
pub(super) fn port_owner(port: u16) -> Option<PortOwner> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let inodes: Vec<&str> = tables.iter().flat_map(|table| listening(table, port)).collect();
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    processes.into_iter().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        has_socket(&process.path(), &inodes).then(|| {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            PortOwner { pid, name: name.trim().escape_default().to_string() }
        })
    })
}

/// Returns the inodes of the sockets that listen on `port`.
fn listening(table: &str, port: u16) -> impl Iterator<Item = &str> {
    table.lines().skip(1).filter_map(move |line| {
        let mut fields = line.split_whitespace();
        let (local, state) = (fields.nth(1)?, fields.nth(1)?);
        let found = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
        let inode = fields.nth(5)?;
        (found == port && state == LISTEN).then_some(inode)
    })
}

fn has_socket(process: &Path, inodes: &[&str]) -> bool {
    let files = fs::read_dir(process.join("fd")).into_iter().flatten().filter_map(Result::ok);
    files.into_iter().filter_map(|file| fs::read_link(file.path()).ok()).any(|target| {
        let target = target.to_string_lossy();
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        inode.is_some_and(|inode| inodes.contains(&inode))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_owner_of_a_port_is_found() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let owner = port_owner(listener.local_addr().unwrap().port()).unwrap();
            assert_eq!(owner.pid, std::process::id());
            assert!(!owner.name.is_empty());
        }
    }
}
