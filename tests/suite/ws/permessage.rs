//! The negotiation of permessage-deflate (RFC 7692 §7).

use sockets_by_hand::ws::permessage::{Agreement, Direction, accept, agree, offer};

const ALL: Direction = Direction { context_takeover: true, max_window_bits: 15 };
const BOTH: Agreement = Agreement { server: ALL, client: ALL };

fn direction(context_takeover: bool, max_window_bits: u8) -> Direction {
    Direction { context_takeover, max_window_bits }
}

#[test]
fn every_parameter_is_accepted_and_answered() {
    for (offers, server, client, header) in [
        ("permessage-deflate", ALL, ALL, "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits", ALL, ALL, "permessage-deflate"),
        (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            direction(false, 15),
            direction(false, 15),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
        (
            "permessage-deflate;server_max_window_bits = \"9\" ; client_max_window_bits=8",
            direction(true, 9),
            direction(true, 8),
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=8",
        ),
        (
            "x, permessage-deflate; server_max_window_bits=7, permessage-deflate",
            ALL,
            ALL,
            "permessage-deflate",
        ),
    ] {
        let accepted = accept(offers, BOTH).unwrap_or_else(|| panic!("{offers}"));
        assert_eq!(accepted, (Agreement { server, client }, header.to_string()), "{offers}");
    }
}

#[test]
fn malformed_offers_are_declined() {
    for offers in [
        "",
        "x-webkit-deflate-frame",
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate;",
    ] {
        assert_eq!(accept(offers, BOTH), None, "{offers}");
    }
}

/// RFC 7692 §7.1.2.2: a server may limit the client's window only if the client has said that it understands.
#[test]
fn a_client_that_does_not_offer_to_limit_its_window_is_not_told_to() {
    let wanted = Agreement { server: ALL, client: direction(true, 10) };
    let (agreed, header) = accept("permessage-deflate", wanted).unwrap();
    assert_eq!((agreed.client.max_window_bits, &*header), (15, "permessage-deflate"));
}

#[test]
fn a_client_agrees_to_what_it_has_offered() {
    let offered = Agreement { server: direction(false, 12), client: ALL };
    assert_eq!(
        offer(offered),
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits",
    );
    assert_eq!(agree("", offered), Ok(None));
    let response = "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9";
    let agreed = Agreement { server: direction(false, 10), client: direction(true, 9) };
    assert_eq!(agree(response, offered), Ok(Some(agreed)));
}

#[test]
fn a_response_that_is_none_to_the_offer_fails_the_connection() {
    let offered = Agreement { server: direction(false, 12), client: ALL };
    for response in [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=13",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=12; unknown",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=12, permessage-deflate",
        "x",
    ] {
        assert!(agree(response, offered).is_err(), "{response}");
    }
}
