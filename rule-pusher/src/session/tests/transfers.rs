//! What is offered, and how it travels.

use super::*;

#[test]
fn an_instance_without_a_bundle_gets_all_of_the_newest() {
    let mut session = session(None);
    let parts = [(10, CHUNK_LEN_MAX + 1), (11, 7)];
    session.on_newest(Some(&publication(3, &parts)), at(1));
    let all = offered(1, 3, &[0, 1], &[(10, 0), (10, 1), (11, 0)]);
    assert_eq!(drain(&mut session), all);
    assert_eq!(shown(&session, HOLDER).answer, LastAnswer::Pending);
    say(&mut session, report(1, Some(3), acked(3)), at(2));
    assert_eq!(drain(&mut session), only_taken());
    let status = shown(&session, HOLDER);
    assert_eq!(
        (status.held, status.answer, status.since_ms),
        (Some(bundle(3)), LastAnswer::Ack { revision: 3 }, 2000)
    );
    assert!(status.holds_stream);
}

#[test]
fn an_instance_that_holds_as_new_a_bundle_gets_none() {
    for held in [3, 4] {
        let mut session = session(Some(held));
        session.on_newest(Some(&publication(3, SMALL)), at(1));
        assert_eq!(drain(&mut session), nothing());
        let answer = shown(&session, HOLDER).answer;
        assert_eq!(answer, LastAnswer::Ack { revision: held });
        session.on_newest(Some(&publication(5, SMALL)), at(2));
        assert_eq!(
            drain(&mut session),
            offered(1, 5, &[0, 1], &[(10, 0), (11, 0)])
        );
        let status = shown(&session, HOLDER);
        assert_eq!(
            (status.answer, status.since_ms),
            (LastAnswer::Pending, 2000)
        );
    }
}

/// What travels once never travels again while the instance holds it.
#[test]
fn only_sections_that_the_instance_lacks_travel() {
    let mut session = session_of(hello_with(Some(1), &[30, 10], acked(1)));
    session.on_newest(Some(&publication(2, &[(10, 5), (20, 6), (30, 7)])), at(1));
    assert_eq!(drain(&mut session), offered(1, 2, &[1], &[(20, 0)]));
    say(&mut session, taken(1, 20, 6), at(1));
    say(&mut session, report(1, Some(2), acked(2)), at(2));
    assert_eq!(drain(&mut session), only_taken());
    // Now it holds what the bundle has, and no more.
    session.on_newest(Some(&publication(3, &[(10, 5), (20, 6), (40, 8)])), at(3));
    assert_eq!(drain(&mut session), offered(2, 3, &[2], &[(40, 0)]));
    // A bundle that was not taken over adds nothing to what it holds.
    session.on_newest(Some(&publication(4, &[(10, 5), (40, 8)])), at(4));
    assert_eq!(drain(&mut session), offered(3, 4, &[1], &[(40, 0)]));
    // One that has only what is held is its head.
    say(&mut session, report(3, Some(4), acked(4)), at(5));
    session.on_newest(Some(&publication(5, &[(40, 8)])), at(6));
    let head_only = Came {
        reports_taken: 1,
        ..offered(4, 5, &[], &[])
    };
    assert_eq!(drain(&mut session), head_only);
}

#[test]
fn four_chunks_go_without_credit_and_one_more_for_each_taken() {
    let mut session = session(None);
    let parts = [
        (10, 2 * CHUNK_LEN_MAX + 1),
        (11, 9),
        (12, CHUNK_LEN_MAX + 1),
    ];
    session.on_newest(Some(&publication(1, &parts)), at(1));
    let first = [(10, 0), (10, 1), (10, 2), (11, 0)];
    assert_eq!(drain(&mut session), offered(1, 1, &[0, 1, 2], &first));
    let credit_for_more = [
        (taken(1, 10, CHUNK_LEN_MAX), vec![(12, 0)]),
        (taken(1, 10, 2 * CHUNK_LEN_MAX), vec![(12, 1)]),
        (taken(1, 10, 2 * CHUNK_LEN_MAX + 1), vec![]),
        (taken(1, 11, 9), vec![]),
        (taken(1, 12, CHUNK_LEN_MAX), vec![]),
        (taken(1, 12, CHUNK_LEN_MAX + 1), vec![]),
    ];
    for (credit, chunks) in credit_for_more {
        say(&mut session, credit, at(1));
        let expected = Came {
            chunks,
            ..Came::default()
        };
        assert_eq!(drain(&mut session), expected);
    }
    let one_more = session.on_message(taken(1, 12, CHUNK_LEN_MAX + 1), EARLIEST, at(1));
    assert!(one_more.is_err());
}

#[test]
fn credit_for_what_was_not_sent_is_a_violation() {
    let no_chunk = |received: usize| Violation::NoSuchChunk {
        received: u32::try_from(received).unwrap(),
    };
    let cases = [
        (taken(1, 10, 0), no_chunk(0)),
        (taken(1, 10, 1), no_chunk(1)),
        (taken(1, 10, 2 * CHUNK_LEN_MAX), no_chunk(2 * CHUNK_LEN_MAX)),
        (taken(1, 10, u32::MAX as usize), no_chunk(u32::MAX as usize)),
        (taken(1, 11, CHUNK_LEN_MAX), no_chunk(CHUNK_LEN_MAX)),
        (
            taken(2, 10, CHUNK_LEN_MAX),
            Violation::NoSuchOffer { number: 2 },
        ),
    ];
    for (credit, expected) in cases {
        let mut session = session(None);
        session.on_newest(Some(&publication(1, &[(10, 6 * CHUNK_LEN_MAX)])), at(1));
        drain(&mut session);
        assert_eq!(session.on_message(credit, EARLIEST, at(1)), Err(expected));
    }
    let mut unsent = session(None);
    unsent.on_newest(Some(&publication(1, SMALL)), at(1));
    assert!(unsent.on_message(taken(1, 10, 5), EARLIEST, at(1)).is_err());
}

#[test]
fn messages_that_do_not_belong_are_violations() {
    let stranger = |offer| {
        let vms = vec![vm(WORKER, None, VmAnswer::Pending)];
        SubscriberMessage::Report(Report { vms, offer })
    };
    let again = hello_with(None, &[], VmAnswer::Pending);
    let cases = [
        (SubscriberMessage::Hello(again), Violation::SecondHello),
        (stranger(0), Violation::HolderUnreported),
        (
            report(1, None, VmAnswer::Pending),
            Violation::NoSuchOffer { number: 1 },
        ),
    ];
    for (message, expected) in cases {
        let violation = session(None).on_message(message, EARLIEST, at(1));
        assert_eq!(violation, Err(expected));
    }
    let mut hello = hello_with(None, &[], VmAnswer::Pending);
    hello.vm = WORKER;
    let violation = Session::new(hello, Retries::new(FIRST, LONGEST), at(0)).unwrap_err();
    assert_eq!(violation, Violation::HolderUnreported);
}

#[test]
fn a_newer_publication_abandons_the_transfer() {
    let mut session = session(None);
    session.on_newest(Some(&publication(1, &[(10, 6 * CHUNK_LEN_MAX)])), at(1));
    drain(&mut session);
    session.on_newest(Some(&publication(2, &[(10, 6 * CHUNK_LEN_MAX)])), at(2));
    drain(&mut session);
    // What is still said of the old one changes nothing, even though the section is the same.
    say(&mut session, taken(1, 10, CHUNK_LEN_MAX), at(3));
    assert_eq!(drain(&mut session), nothing());
    say(&mut session, report(1, None, nacked(2, true)), at(3));
    assert_eq!(drain(&mut session), only_taken());
    say(&mut session, taken(2, 10, CHUNK_LEN_MAX), at(4));
    let next = Came {
        chunks: vec![(10, 4)],
        ..Came::default()
    };
    assert_eq!(drain(&mut session), next);
}

#[test]
fn the_bytes_of_a_bundle_that_was_replaced_are_let_go() {
    for answer in [
        None,
        Some(nacked(2, false)),
        Some(nacked(2, true)),
        Some(acked(2)),
    ] {
        let mut session = session(None);
        let replaced = publication(2, SMALL);
        session.on_newest(Some(&replaced), at(1));
        drain(&mut session);
        if let Some(answer) = answer.clone() {
            say(&mut session, report(1, None, answer), at(2));
        }
        assert!(Arc::strong_count(&replaced) > 1);
        session.on_newest(Some(&publication(3, SMALL)), at(3));
        assert_eq!(Arc::strong_count(&replaced), 1, "{answer:?}");
    }
}

#[test]
fn holdings_begin_the_transfer_again() {
    let mut session = session_of(hello_with(Some(1), &[10, 11], acked(1)));
    session.on_newest(Some(&publication(2, &[(10, 5), (11, 6), (12, 7)])), at(1));
    assert_eq!(drain(&mut session), offered(1, 2, &[2], &[(12, 0)]));
    let restated = |sections| SubscriberMessage::Holdings(holdings(Some(1), sections));
    say(&mut session, restated(&[11]), at(2));
    assert_eq!(
        drain(&mut session),
        offered(2, 2, &[0, 2], &[(10, 0), (12, 0)])
    );
    // Once at once; whoever restates without end waits.
    for _ in 0..100 {
        say(&mut session, restated(&[]), at(3));
        assert_eq!(drain(&mut session), nothing());
    }
    assert_eq!(session.retry_at(), Some(at(8).monotonic));
    assert_eq!(session.silent_since(), None);
    session.on_retry(at(8));
    assert_eq!(drain(&mut session).offers, [(3, 2, vec![0, 1, 2])]);
    // Nothing more is owed to who holds the newest.
    say(
        &mut session,
        SubscriberMessage::Holdings(holdings(Some(2), &[])),
        at(9),
    );
    session.on_retry(at(100));
    assert_eq!(drain(&mut session), nothing());
    // A new publication has a first time again.
    session.on_newest(Some(&publication(3, SMALL)), at(101));
    drain(&mut session);
    say(&mut session, restated(&[]), at(102));
    assert_eq!(drain(&mut session).offers.len(), 1);
}

#[test]
fn a_vm_is_silent_from_the_offer_until_it_takes_or_answers() {
    let mut session = session(Some(1));
    let long = &[(10, 6 * CHUNK_LEN_MAX)];
    assert_eq!(session.silent_since(), None);
    session.on_newest(Some(&publication(2, long)), at(10));
    drain(&mut session);
    assert_eq!(session.silent_since(), Some(at(10).monotonic));
    say(&mut session, taken(1, 10, CHUNK_LEN_MAX), at(20));
    assert_eq!(session.silent_since(), Some(at(20).monotonic));
    // A newer bundle, which nobody asked for, moves nothing on.
    session.on_newest(Some(&publication(3, SMALL)), at(30));
    drain(&mut session);
    // Nor does what is said of other bundles, or of nothing: it could go on for ever.
    let others = [
        taken(1, 10, 2 * CHUNK_LEN_MAX),
        report(1, Some(2), acked(2)),
        report(2, Some(1), acked(1)),
        report(2, Some(1), VmAnswer::Pending),
        report(1, Some(1), nacked(3, true)),
    ];
    for (message, second) in others.into_iter().zip(31..) {
        say(&mut session, message.clone(), at(second));
        drain(&mut session);
        assert_eq!(
            session.silent_since(),
            Some(at(20).monotonic),
            "{message:?}"
        );
    }
    say(&mut session, report(2, Some(1), nacked(3, false)), at(40));
    assert_eq!(session.silent_since(), None);
    session.on_retry(at(50));
    assert_eq!(session.silent_since(), Some(at(50).monotonic));
    drain(&mut session);
    say(&mut session, report(3, Some(3), acked(3)), at(60));
    assert_eq!(session.silent_since(), None);
}
