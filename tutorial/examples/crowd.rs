//! Chapter 24: a thousand clients lose the same server in the same moment. When do they reconnect?
//!
//! Nothing is sent: the example only adds up the pauses that the real `Backoff` computes. The random
//! numbers have a fixed seed, so that every run is the same. With `picture`, the example draws.

use std::time::Duration;

use sockets_by_hand::net::Backoff;

const CLIENTS: usize = 1000;

/// How long the server is away.
const AWAY: Duration = Duration::from_secs(8);

/// Attempts are counted in slices of time as long as this, for so many of them.
const SLICE: Duration = Duration::from_millis(100);
const SLICES: usize = 140;

fn main() {
    let without = Crowd::new(0.0);
    let with = Crowd::new(Backoff::default().jitter);
    if std::env::args().nth(1).as_deref() == Some("picture") {
        return picture(&without, &with);
    }
    let row = |what: &str, a: String, b: String| println!("{what:<28}{a:>16}{b:>16}");
    row("", "without jitter".to_string(), "with jitter".to_string());
    let count = |crowd: &Crowd| crowd.times().count().to_string();
    row("attempts", count(&without), count(&with));
    let most = |crowd: &Crowd| crowd.slices().into_iter().max().unwrap_or(0).to_string();
    row("most in a tenth of a second", most(&without), most(&with));
    let back = |crowd: &Crowd, n: usize| {
        let mut back: Vec<_> = crowd.0.iter().filter_map(|client| client.last()).collect();
        back.sort();
        format!("{:.1} s", back[n].0.as_secs_f64())
    };
    row("the first is back after", back(&without, 0), back(&with, 0));
    row("half are back after", back(&without, CLIENTS / 2), back(&with, CLIENTS / 2));
    row("the last is back after", back(&without, CLIENTS - 1), back(&with, CLIENTS - 1));
}

/// Each client's attempts: when, and after which pause. The last is the one that succeeds.
struct Crowd(Vec<Vec<(Duration, Duration)>>);

impl Crowd {
    fn new(jitter: f64) -> Crowd {
        let backoff = Backoff { jitter, ..Backoff::default() };
        let mut state = 2026;
        let client = |_| {
            let mut now = Duration::ZERO;
            let mut attempts = Vec::new();
            while now < AWAY {
                let pause = backoff.pause(attempts.len() as u32, random(&mut state));
                now += pause;
                attempts.push((now, pause));
            }
            attempts
        };
        Crowd((0..CLIENTS).map(client).collect())
    }

    fn times(&self) -> impl Iterator<Item = Duration> {
        self.0.iter().flatten().map(|(time, _)| *time)
    }

    fn slices(&self) -> Vec<usize> {
        let mut slices = vec![0; SLICES];
        for time in self.times() {
            slices[(time.as_millis() / SLICE.as_millis()) as usize] += 1;
        }
        slices
    }
}

/// A random number from 0 up to 1 (splitmix64).
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as f64 / u64::MAX as f64
}

/// The x coordinate of a time.
fn x(time: Duration) -> u128 {
    80 + time.as_millis() / 25
}

/// Three charts over the same time: the pauses of some clients, and the attempts of all without and with
/// jitter.
fn picture(without: &Crowd, with: &Crowd) {
    let dots = |crowd: &Crowd, clients: usize| -> String {
        let dot = |(time, pause): &(Duration, Duration)| {
            format!("M{} {}h0", x(*time), 190 - pause.as_millis() / 40)
        };
        crowd.0.iter().take(clients).flatten().map(dot).collect()
    };
    let bars = |crowd: &Crowd, foot: usize| -> String {
        let bar = |(i, n): (usize, usize)| {
            let height = (n * 120).div_ceil(CLIENTS);
            format!("M{} {foot}v-{height}", x(SLICE * i as u32) + 2)
        };
        let slices = crowd.slices().into_iter().enumerate();
        slices.filter(|(_, n)| *n > 0).map(bar).collect()
    };
    let text = |x: u128, y: usize, text: &str| format!("<text x=\"{x}\" y=\"{y}\">{text}</text>");
    let seconds = (0..=14).step_by(2).map(|s| text(x(Duration::from_secs(s)), 554, &s.to_string()));
    let pauses = (1..=5).map(|s| text(64, 195 - 25 * s, &format!("{s} s")));
    let path = |style: &str, d: &str| println!(r#"<path fill="none" {style} d="{d}"/>"#);
    let group = |style: &str, texts: &[String]| println!("<g {style}>\n{}\n</g>", texts.join("\n"));

    println!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 664 590" font-family="system-ui, sans-serif" font-size="14" role="img">
<title>A thousand clients come back: all at once without jitter, spread out with it</title>
<rect x="1" y="1" width="662" height="588" rx="12" fill="#fcfcf9" stroke="#9aa3ad"/>"##
    );
    let back = format!("M{} 46V532", x(AWAY));
    path(r##"stroke="#a87a1c" stroke-width="1.5" stroke-dasharray="6 4""##, &back);
    path(
        r##"stroke="#3b6ea5" stroke-width="4" stroke-linecap="round" opacity="0.6""##,
        &dots(with, 100),
    );
    path(r##"stroke="#20262e" stroke-width="10" stroke-linecap="round""##, &dots(without, 1));
    path(r##"stroke="#20262e" stroke-width="4""##, &bars(without, 360));
    path(r##"stroke="#3b6ea5" stroke-width="4""##, &bars(with, 532));
    let axes = "M80 50V190H644M80 230V360H644M80 402V532H644";
    path(r##"stroke="#5b6672" stroke-width="1.5""##, axes);
    group(
        r##"fill="#20262e""##,
        &[
            text(
                80,
                30,
                "the pause before each attempt: black without jitter, blue with it (100 clients)",
            ),
            text(90, 230, "attempts in a tenth of a second, without jitter"),
            text(90, 402, "with jitter"),
        ],
    );
    group(r##"fill="#20262e" text-anchor="end""##, &pauses.collect::<Vec<_>>());
    group(r##"fill="#20262e" text-anchor="end""##, &[text(70, 245, "1000"), text(70, 417, "1000")]);
    group(r##"fill="#20262e" text-anchor="middle""##, &seconds.collect::<Vec<_>>());
    let below = text(362, 578, "seconds since the server went");
    group(r##"fill="#20262e" text-anchor="middle""##, &[below]);
    group(r##"fill="#7a5710""##, &[text(x(AWAY) + 8, 214, "the server is back")]);
    println!("</svg>");
}
