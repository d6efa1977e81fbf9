//! Builds the front end and the configuration into the binary.
//!
//! `dashboards/` is built by npm and Vite when one of its sources is newer than its output; an unchanged front end
//! costs nothing. `IOC_DASHBOARDS_DIST=DIR` embeds a front end that was built before.
use std::{
    env,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// What Vite 8 runs on.
const NODE: &str = "20.19 or newer 20, or 22.12 or newer";
/// What the front end is built from, inside `dashboards/`.
const SOURCES: &[&str] = &[
    "package.json",
    "package-lock.json",
    "index.html",
    "wall.html",
    "vite.config.ts",
    "svelte.config.js",
    "tsconfig.json",
    "build",
    "public",
    "src",
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("cargo::error={}", problem.replace('\n', "\ncargo::error="));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(|error| error.to_string())?).join("..");
    let out = PathBuf::from(env::var("OUT_DIR").map_err(|error| error.to_string())?);
    println!("cargo::rerun-if-env-changed=IOC_DASHBOARDS_DIST");
    let dist = match env::var_os("IOC_DASHBOARDS_DIST") {
        Some(prebuilt) => {
            println!("cargo::rerun-if-changed={}", Path::new(&prebuilt).display());
            PathBuf::from(prebuilt)
        }
        None => build_dashboards(&root.join("dashboards"))?,
    };
    // The output is newer than this script's start, so watching it would run the script twice; it is copied, so that
    // it may go away.
    let copy = out.join("dashboards");
    replace(&dist, &copy).map_err(|error| format!("cannot copy {}: {error}", dist.display()))?;
    embed(&copy, &out.join("dashboards.rs"), "DASHBOARDS")?;
    let configs = root.join("configs");
    println!("cargo::rerun-if-changed={}", configs.display());
    embed(&configs, &out.join("configs.rs"), "CONFIGS")
}

fn build_dashboards(dashboards: &Path) -> Result<PathBuf, String> {
    // A path that is not there would run this script every time.
    for source in SOURCES.iter().map(|source| dashboards.join(source)).filter(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    let dist = dashboards.join("dist");
    if !dashboards.join("package.json").exists() {
        return Err(format!(
            "{} has no package.json; the front end belongs to the repository",
            dashboards.display()
        ));
    }
    if is_current(dashboards, &dist) {
        return Ok(dist);
    }
    check_node()?;
    let installed = dashboards.join("node_modules/.package-lock.json");
    if modified(&installed) < modified(&dashboards.join("package-lock.json")) {
        npm(dashboards, &["ci", "--no-audit", "--no-fund"])?;
    }
    npm(dashboards, &["run", "build"])?;
    Ok(dist)
}

/// Reports whether the output is newer than every source.
fn is_current(dashboards: &Path, dist: &Path) -> bool {
    let built = modified(&dist.join("index.html"));
    built.is_some() && SOURCES.iter().all(|source| newest(&dashboards.join(source)) < built)
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn newest(path: &Path) -> Option<std::time::SystemTime> {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| newest(&entry.path())).max().flatten(),
        Err(_) => modified(path),
    }
}

fn check_node() -> Result<(), String> {
    let wanted = format!("Node.js {NODE} with npm is needed to build the front end");
    let output = Command::new("node").arg("--version").output();
    let output = output.map_err(|error| format!("{wanted}; `node` cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut numbers = text.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if !is_supported(found) {
        return Err(format!("{wanted}; found {text}"));
    }
    match Command::new("npm").arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(format!("{wanted}; node {text} is here, `npm` is not")),
    }
}

fn is_supported((major, minor): (u32, u32)) -> bool {
    (major == 20 && minor >= 19) || (major == 22 && minor >= 12) || major > 22
}

fn npm(dashboards: &Path, args: &[&str]) -> Result<(), String> {
    let command = format!("npm {}", args.join(" "));
    let output = Command::new("npm").args(args).current_dir(dashboards).output();
    let output = output.map_err(|error| format!("`{command}` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Err(format!("`{command}` in {} failed:\n{said}", dashboards.display()))
}

fn replace(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    let mut files = Vec::new();
    collect(from, &mut files)?;
    for file in files {
        let target = to.join(file.strip_prefix(from).map_err(io::Error::other)?);
        fs::create_dir_all(target.parent().unwrap_or(to))?;
        fs::copy(&file, target)?;
    }
    Ok(())
}

/// Writes a table of every file under `directory`: path with `/` before it, and its bytes.
fn embed(directory: &Path, table: &Path, name: &str) -> Result<(), String> {
    let mut files = Vec::new();
    collect(directory, &mut files)
        .map_err(|error| format!("cannot read {}: {error}", directory.display()))?;
    files.sort();
    let mut code = format!("/// Path and content of every file.\npub static {name}: &[(&str, &[u8])] = &[\n");
    for file in files {
        let path = file.canonicalize().map_err(|error| format!("{}: {error}", file.display()))?;
        let key = file.strip_prefix(directory).map_err(|error| error.to_string())?;
        let _ = writeln!(code, "    (\"/{}\", include_bytes!({:?})),", key.display(), path);
    }
    code.push_str("];\n");
    fs::write(table, code).map_err(|error| format!("cannot write {}: {error}", table.display()))
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        match path.is_dir() {
            true => collect(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}
