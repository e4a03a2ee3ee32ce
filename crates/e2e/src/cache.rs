//! nginx as an HTTP cache in front of the server, as Debian packages it.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::Process;
use crate::tools::{self, Missing};
use crate::{Server, wait};

/// Where nginx keeps what passes through it: all below the folder it runs in.
const FOLDERS: [&str; 5] = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/// A cache that keeps what answers allow it to keep, and nothing else.
#[derive(Debug)]
pub struct Cache {
    /// What viewers connect to.
    pub http: SocketAddr,
    folder: TempDir,
    _process: Process,
}

impl Cache {
    /// Starts it and waits until it takes connections.
    ///
    /// # Errors
    /// When nginx is not installed.
    ///
    /// # Panics
    /// When it does not start.
    pub fn before(server: &Server) -> Result<Self, Missing> {
        let nginx = tools::program("nginx")?;
        let folder = TempDir::new().expect("a temporary folder");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let http = listener.local_addr().expect("a bound listener has an address");
        drop(listener);
        let file = folder.path().join("nginx.conf");
        fs::write(&file, configuration(http, server.http)).expect("a file can be written");
        let mut command = Command::new(nginx);
        command.arg("-e").arg("stderr").arg("-c").arg(file).arg("-p").arg(folder.path());
        let mut process = Process::start("nginx", &command).expect("nginx starts");
        wait::until("nginx to listen", Duration::from_secs(10), || {
            assert!(process.is_running(), "nginx ended at its start");
            TcpStream::connect(http).ok()
        });
        Ok(Self { http, folder, _process: process })
    }

    /// How many requests for media were answered from the cache, and how many from the server.
    ///
    /// # Panics
    /// When nginx wrote no log.
    pub fn media_hits_and_misses(&self) -> (usize, usize) {
        let log = fs::read_to_string(self.folder.path().join("access.log")).expect("a log");
        let media = log.lines().filter(|line| line.ends_with(".m4s"));
        let (hits, misses): (Vec<_>, Vec<_>) = media.partition(|line| line.starts_with("HIT "));
        (hits.len(), misses.len())
    }

    /// The folder it runs in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn configuration(listen: SocketAddr, server: SocketAddr) -> String {
    let mut temporary = String::new();
    for folder in FOLDERS {
        let _ = writeln!(temporary, "  {folder}_temp_path {folder};");
    }
    // In one process, so that it ends with the test. Requests for one thing wait for the first.
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events {{ worker_connections 512; }}
http {{
{temporary}
  proxy_cache_path cache keys_zone=media:1m;
  log_format hits '$upstream_cache_status $uri';
  access_log access.log hits;
  server {{
    listen {listen};
    location / {{
      proxy_pass http://{server};
      proxy_http_version 1.1;
      proxy_cache media;
      proxy_cache_key $request_uri;
      proxy_cache_lock on;
      # What a player says of itself with its request makes the media no other.
      location ~ \\.m4s$ {{ proxy_pass http://{server}; proxy_cache_key $uri; }}
    }}
  }}
}}
"
    )
}
