//! Names of Unix users, for the audit trail.

/// Returns the name of the user with this number as `/etc/passwd` has it, or the number.
pub fn unix_user(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_in(&passwd, uid).map_or_else(|| format!("uid {uid}"), str::to_owned)
}

/// Returns the name of the user who runs this process.
pub fn current_unix_user() -> String {
    unix_user(rustix::process::getuid().as_raw())
}

fn name_in(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == uid).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nioc:x:998:998::/var/lib/ioc:/bin/false\n";
        assert_eq!(name_in(passwd, 0), Some("root"));
        assert_eq!(name_in(passwd, 998), Some("ioc"));
        assert_eq!(name_in(passwd, 7), None);
    }
}
