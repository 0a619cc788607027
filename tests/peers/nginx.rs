//! Three servers, two of ours and one of npm's, behind nginx with the configuration of the book: TLS, sticky
//! sessions, the addresses of the clients, and a server that is killed.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use sockets_by_hand::engineio;
use sockets_by_hand::socketio::{Handle, Options, Server};

use super::node::{LIMIT, Peer};
use super::npm_socketio::page;

const CONFIGURATION: &str = include_str!("../../tutorial/examples/nginx.conf");

/// What clients may use, and what they use in the end.
const TRANSPORTS: [&str; 3] =
    ["polling, now polling", "websocket, now websocket", "polling,websocket, now websocket"];

/// nginx, which runs until the test ends.
struct Nginx {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Nginx {
    /// Starts nginx in front of the servers on these ports.
    fn start(name: &str, servers: [&str; 3]) -> Nginx {
        Nginx::start_with(name, servers, |configuration| configuration)
    }

    fn start_with(name: &str, servers: [&str; 3], change: fn(String) -> String) -> Nginx {
        let folder = env::temp_dir().join(format!("nginx-{}-{name}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        make_certificate(&folder);
        let mut configuration = change(CONFIGURATION.to_string());
        for (example, port) in ["3001", "3002", "3003"].into_iter().zip(servers) {
            configuration = replace(
                &configuration,
                &format!("127.0.0.1:{example}"),
                &format!("127.0.0.1:{port}"),
            );
        }
        // Another program may take the port before nginx does: then nginx ends.
        for _ in 0..5 {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            drop(listener);
            let listen = format!("127.0.0.1:{port}");
            fs::write(
                folder.join("nginx.conf"),
                replace(&configuration, "127.0.0.1:8443", &listen),
            )
            .unwrap();
            let child = command(&folder).spawn().expect("nginx does not start");
            let mut nginx = Nginx { child, folder: folder.clone(), port };
            if nginx.listens() {
                return nginx;
            }
        }
        panic!("nginx does not start: {}", log(&folder));
    }

    /// Waits until it listens; `false` if it has ended. It writes its process id once it has bound
    /// its address.
    fn listens(&mut self) -> bool {
        let (start, pid) = (Instant::now(), self.folder.join("nginx.pid"));
        while start.elapsed() < LIMIT {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if fs::read_to_string(&pid).is_ok_and(|pid| pid.trim() == self.child.id().to_string()) {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Runs `nginx.js` as this.
    fn client(&self, mode: &str) -> Peer {
        let certificate = self.folder.join("cert.pem");
        Peer::node("nginx.js", &[mode, &self.url(), certificate.to_str().unwrap()])
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // A killed master process would leave its workers behind.
        _ = command(&self.folder).args(["-s", "stop"]).status();
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < LIMIT {
            thread::sleep(Duration::from_millis(10));
        }
        if thread::panicking() {
            eprintln!("{}", log(&self.folder));
        }
        _ = fs::remove_dir_all(&self.folder);
    }
}

fn command(folder: &Path) -> Command {
    // Debian's path for users leaves the folder out.
    let debian = "/usr/sbin/nginx";
    let mut command = Command::new(if Path::new(debian).exists() { debian } else { "nginx" });
    command
        .arg("-e")
        .arg(folder.join("error.log"))
        .arg("-p")
        .arg(folder)
        .args(["-c", "nginx.conf"]);
    command
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("error.log")).unwrap_or_default()
}

#[track_caller]
fn replace(configuration: &str, from: &str, to: &str) -> String {
    assert!(configuration.contains(from), "{from} is not in the configuration");
    configuration.replace(from, to)
}

/// Runs the command that the configuration names, in a folder.
fn make_certificate(folder: &Path) {
    let lines = CONFIGURATION.lines().map_while(|line| line.strip_prefix('#'));
    let lines = lines.skip_while(|line| !line.contains("openssl"));
    let lines = lines.take_while(|line| !line.contains("nginx"));
    let script = lines.collect::<Vec<_>>().join("\n").replace("target/proxy/", "");
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
}

/// A server of ours, which tells its name and the address of a client.
struct Ours {
    port: String,
    handle: Handle,
}

impl Ours {
    fn start(name: &'static str, trust_proxy: usize) -> Ours {
        let engine = engineio::Options { trust_proxy, ..Default::default() };
        let options = Options { engine, ..Options::default() };
        let mut server = Server::bind("127.0.0.1:0", options).unwrap();
        let port = server.address().unwrap().port().to_string();
        server.io().on_connection(move |socket| {
            socket.on("echo", |event| event.ack(&event.args));
            socket.on("who", move |event| {
                let handshake = event.socket.handshake();
                let address = handshake.address.map(|address| address.ip().to_string());
                let forwarded = handshake.request.headers.get("x-forwarded-for");
                event.ack([name.into(), address.into(), forwarded.into()]);
            });
        });
        server.page(page);
        let handle = server.handle();
        thread::spawn(|| server.serve());
        Ours { port, handle }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// The port of a program that serves.
fn port(server: &Peer) -> String {
    let line = server.line();
    line.strip_prefix("Server listening on port ").expect(&line).to_string()
}

/// The servers: one of ours that trusts nginx, one that does not, npm's.
fn servers() -> (Ours, Ours, Peer, String) {
    let npms = Peer::node("nginx.js", &["server", "127.0.0.1:0"]);
    let port = port(&npms);
    (Ours::start("ours", 0), Ours::start("ours, trusting", 1), npms, port)
}

#[test]
#[ignore = "needs nginx, openssl, npm socket.io and socket.io-client; .ci/run runs it"]
fn the_official_client_uses_each_server_over_https_and_wss() {
    let (plain, trusting, _npms, npms_port) = servers();
    let nginx = Nginx::start("client", [&plain.port, &trusting.port, &npms_port]);
    let mut expected = Vec::new();
    for (name, address) in
        [("npm's", "nginx's"), ("ours", "nginx's"), ("ours, trusting", "the client's")]
    {
        for transports in TRANSPORTS {
            let line = format!("{name}, {transports}: 20 echoes, address {address}");
            expected.push(line + ", forwarded 6.6.6.6, the client's");
        }
    }
    assert_eq!(nginx.client("client").finish(), expected);
}

#[test]
#[ignore = "needs nginx, openssl, npm socket.io and socket.io-client; .ci/run runs it"]
fn a_session_over_polling_fails_without_a_sticky_session() {
    let (plain, trusting, _npms, npms_port) = servers();
    let ports: [&str; 3] = [&plain.port, &trusting.port, &npms_port];
    let sticky = Nginx::start("sticky", ports);
    assert_eq!(sticky.client("polling").finish(), ["polling, now polling: 20 echoes"]);
    let in_turn = |conf: String| replace(&conf, "hash $client consistent;", "");
    let nginx = Nginx::start_with("in-turn", ports, in_turn);
    let [end] = &nginx.client("polling").finish()[..] else { panic!() };
    assert!(["xhr poll error", "xhr post error", "transport error"].contains(&&**end), "{end}");
}

#[test]
#[ignore = "needs nginx, openssl, npm socket.io and socket.io-client; .ci/run runs it"]
fn a_session_stays_with_polling_if_the_upgrade_is_not_passed_on() {
    let (plain, trusting, _npms, npms_port) = servers();
    let without = |conf: String| {
        let conf = replace(&conf, "proxy_set_header Upgrade $http_upgrade;", "");
        replace(&conf, "proxy_set_header Connection $connection_upgrade;", "")
    };
    let ports: [&str; 3] = [&plain.port, &trusting.port, &npms_port];
    let nginx = Nginx::start_with("without", ports, without);
    assert_eq!(nginx.client("upgrade").finish(), ["polling,websocket, now polling: 20 echoes"]);
}

#[test]
#[ignore = "needs nginx, openssl, Chromium, npm socket.io; .ci/run runs it"]
fn the_official_client_in_a_browser_keeps_its_server_by_a_cookie() {
    let (plain, trusting, _npms, npms_port) = servers();
    let nginx = Nginx::start("browser", [&plain.port, &trusting.port, &npms_port]);
    let mut expected = vec![r#"cookie: [["client","127.0.0.1",true,true]]"#.to_string()];
    for name in ["npm's", "ours", "ours, trusting"] {
        for transports in TRANSPORTS {
            expected.push(format!("{name}, {transports}: 20 echoes, address 127.0.0.1"));
        }
    }
    assert_eq!(nginx.client("browser").finish(), expected);
}

#[test]
#[ignore = "needs nginx, openssl, npm socket.io and socket.io-client; .ci/run runs it"]
fn clients_of_a_killed_server_are_back_on_another_with_nothing_lost_silently_or_twice() {
    let start = |port: &str| Peer::ours("socketio-server", &[&format!("127.0.0.1:{port}")]);
    let (first, second) = (start("0"), start("0"));
    let npms = Peer::node("nginx.js", &["server", "127.0.0.1:0"]);
    let ports = [port(&first), port(&second), port(&npms)];
    let nginx = Nginx::start("killed", [&ports[0], &ports[1], &ports[2]]);

    let mut crowd = nginx.client("crowd");
    let mut hears = |what: &str| {
        crowd.say(what);
        assert_eq!(crowd.line(), what);
    };
    hears("all are connected");
    drop(first); // killed
    hears("all are connected to the two others");
    drop(npms);
    hears("all are connected to the last one");
    let again = start(&ports[0]);
    assert_eq!(port(&again), ports[0]);
    hears("all are connected, some to the server that is back");
    assert_eq!(crowd.finish(), ["disconnected: true", "lost without an error, or twice: []"]);
}
