//! What VMs say, and what follows from it.

use super::*;

#[test]
fn a_second_report_waits_for_the_first_to_be_taken() {
    let mut session = session(None);
    let pending = || report(0, None, VmAnswer::Pending);
    say(&mut session, pending(), at(1));
    assert_eq!(
        session.on_message(pending(), EARLIEST, at(1)),
        Err(Violation::ReportInFlight)
    );
    assert_eq!(session.next_message(), Some(PusherMessage::ReportTaken));
    say(&mut session, pending(), at(1));
}

#[test]
fn a_bundle_that_is_refused_for_ever_is_not_sent_again() {
    let mut session = session(Some(1));
    let refused = publication(2, &[(10, 9 * CHUNK_LEN_MAX / 2)]);
    session.on_newest(Some(&refused), at(1));
    assert!(matches!(
        session.next_message(),
        Some(PusherMessage::Offer(_))
    ));
    // By its head alone, before a byte of its sections travelled.
    say(&mut session, report(1, Some(1), nacked(2, true)), at(2));
    assert_eq!(drain(&mut session), only_taken());
    assert_eq!(session.retry_at(), None);
    let answer = LastAnswer::Nack {
        revision: 2,
        reason: "expired".to_owned(),
        detail: "9 s ago".to_owned(),
    };
    assert_eq!(shown(&session, HOLDER).answer, answer);
    session.on_newest(Some(&refused), at(3));
    say(&mut session, report(1, Some(1), nacked(2, true)), at(3));
    say_holdings(&mut session, None, at(3));
    assert_eq!(drain(&mut session), only_taken());
    session.on_newest(Some(&publication(3, SMALL)), at(4));
    assert_eq!(
        drain(&mut session),
        offered(2, 3, &[0, 1], &[(10, 0), (11, 0)])
    );
}

#[test]
fn a_refusal_outlives_its_stream_unless_another_file_may_be_good() {
    for (reason, permanent, is_offered) in [
        ("expired", true, false),
        ("trapped", true, false),
        ("no-memory", false, true),
        ("untrusted", true, true),
        ("bad-signature", true, true),
        ("bad-hash", true, true),
        ("malformed", true, true),
    ] {
        let hello = hello_with(Some(1), &[], refused_as(2, reason, permanent));
        let mut session = session_of(hello);
        session.on_newest(Some(&publication(2, SMALL)), at(1));
        assert_eq!(
            !drain(&mut session).offers.is_empty(),
            is_offered,
            "{reason}"
        );
        session.on_newest(Some(&publication(3, SMALL)), at(2));
        assert_eq!(drain(&mut session).offers.len(), 1, "{reason}");
    }
}

/// A signature by another key makes another file of the same digest, which the VM may well take.
#[test]
fn a_refused_bundle_that_was_signed_anew_is_offered_again() {
    let mut session = session(Some(1));
    session.on_newest(Some(&publication(2, SMALL)), at(1));
    drain(&mut session);
    // The old file is answered before the new one is offered, so that nobody mistakes the one's answer for the other's.
    session.on_newest(Some(&publication(2, SMALL)), at(2));
    assert_eq!(drain(&mut session), nothing());
    say(&mut session, report(1, Some(1), nacked(2, true)), at(3));
    assert_eq!(drain(&mut session).offers, [(2, 2, vec![0, 1])]);
    // A report that was on its way says the old answer once more.
    say(&mut session, report(1, Some(1), nacked(2, true)), at(3));
    say(&mut session, taken(2, 10, 5), at(4));
    say(&mut session, taken(2, 11, 6), at(4));
    assert!(session.silent_since().is_some());
}

#[test]
fn a_bundle_that_is_refused_for_now_is_sent_after_a_pause() {
    let mut session = session(None);
    session.on_newest(Some(&publication(2, SMALL)), at(1));
    drain(&mut session);
    say(&mut session, report(1, None, nacked(2, false)), at(10));
    assert_eq!(drain(&mut session), only_taken());
    assert_eq!(session.retry_at(), Some(at(15).monotonic));
    // Saying it again neither hastens nor delays it.
    say(&mut session, report(1, None, nacked(2, false)), at(11));
    assert_eq!(session.retry_at(), Some(at(15).monotonic));
    session.on_retry(at(15));
    let came = drain(&mut session);
    assert_eq!(came.offers, [(2, 2, vec![0, 1])]);
    let is_nack = |session: &Session| {
        matches!(
            shown(session, HOLDER).answer,
            LastAnswer::Nack { revision: 2, .. }
        )
    };
    assert!(is_nack(&session));
    say(&mut session, report(2, None, VmAnswer::Pending), at(16));
    assert!(is_nack(&session));
    assert_eq!(shown(&session, HOLDER).since_ms, 10_000);
    // The next pause is longer, and a publication ends it.
    session.next_message();
    say(&mut session, report(2, None, nacked(2, false)), at(20));
    assert_eq!(session.retry_at(), Some(at(30).monotonic));
    session.on_newest(Some(&publication(3, SMALL)), at(21));
    assert_eq!(session.retry_at(), None);
    assert_eq!(drain(&mut session).offers, [(3, 3, vec![0, 1])]);
}

#[test]
fn a_refusal_for_now_may_become_one_for_ever() {
    let mut session = session(None);
    session.on_newest(Some(&publication(2, SMALL)), at(1));
    drain(&mut session);
    say(&mut session, report(1, None, nacked(2, false)), at(2));
    drain(&mut session);
    say(&mut session, report(1, None, nacked(2, true)), at(3));
    session.on_retry(at(7));
    assert_eq!(drain(&mut session), only_taken());
}

#[test]
fn pauses_double_up_to_the_longest_and_spread() {
    let mut retries = Retries::new(FIRST, LONGEST);
    let mut pause = |random| {
        retries.schedule(random, at(0).monotonic);
        let pause = (retries.at().unwrap() - at(0).monotonic).as_secs_f64();
        retries.end_pause();
        pause
    };
    let pauses = [LATEST, EARLIEST, LATEST, EARLIEST].map(&mut pause);
    assert_eq!(pauses, [5.0, 5.0, 20.0, 20.0]);
    for _ in 0..40 {
        pause(LATEST);
    }
    assert_eq!(pause(LATEST), 300.0);
}

/// What the other VMs say is shown, and moves nothing.
#[test]
fn each_vm_has_its_own_answer() {
    let mut session = session(Some(1));
    session.on_newest(Some(&publication(2, SMALL)), at(1));
    drain(&mut session);
    let of_both = |holder: VmReport, worker: VmReport| {
        SubscriberMessage::Report(Report {
            vms: vec![worker, holder],
            offer: 1,
        })
    };
    let message = of_both(vm(HOLDER, Some(2), acked(2)), vm(WORKER, Some(1), acked(1)));
    let news = session.on_message(message, EARLIEST, at(2)).unwrap();
    assert_eq!(news.len(), 2);
    assert_eq!(drain(&mut session), only_taken());
    let worker = shown(&session, WORKER);
    assert_eq!(
        (worker.answer, worker.held, worker.holds_stream),
        (LastAnswer::Pending, Some(bundle(1)), false)
    );
    for permanent in [false, true] {
        let message = of_both(
            vm(HOLDER, Some(2), acked(2)),
            vm(WORKER, Some(1), nacked(2, permanent)),
        );
        let news = session.on_message(message, EARLIEST, at(3)).unwrap();
        assert_eq!(news.iter().map(|vm| vm.vm).collect::<Vec<_>>(), [WORKER]);
        assert_eq!(
            (drain(&mut session), session.retry_at()),
            (only_taken(), None)
        );
    }
    let worker = shown(&session, WORKER).answer;
    assert!(matches!(worker, LastAnswer::Nack { revision: 2, .. }));
    assert_eq!(
        shown(&session, HOLDER).answer,
        LastAnswer::Ack { revision: 2 }
    );
    // A VM that is gone is no longer listed.
    say(&mut session, report(1, Some(2), acked(2)), at(4));
    assert_eq!(session.statuses().len(), 1);
}

#[test]
fn a_bundle_from_elsewhere_shows_and_stays() {
    let mut session = session(None);
    session.on_newest(Some(&publication(2, SMALL)), at(1));
    drain(&mut session);
    say(&mut session, report(1, Some(9), acked(9)), at(3));
    let status = shown(&session, HOLDER);
    assert_eq!(
        (status.held, status.answer),
        (Some(bundle(9)), LastAnswer::Ack { revision: 9 })
    );
    drain(&mut session);
    session.on_newest(Some(&publication(3, SMALL)), at(4));
    assert_eq!(drain(&mut session), nothing());
}

/// The plugin configuration may hold a bundle of the same revision that was built from other rules.
#[test]
fn other_contents_of_the_revision_are_offered() {
    let other = BundleId {
        revision: 3,
        digest: Digest([0xee; 32]),
    };
    let mut hello = hello_with(None, &[], VmAnswer::Ack(other));
    hello.holdings.held = Some(other);
    hello.report.vms[0].held = Some(other);
    let mut session = session_of(hello);
    session.on_newest(Some(&publication(3, SMALL)), at(1));
    assert_eq!(shown(&session, HOLDER).answer, LastAnswer::Pending);
    assert_eq!(drain(&mut session).offers.len(), 1);
    say(&mut session, report(1, None, nacked(3, true)), at(2));
    assert_eq!(drain(&mut session), only_taken());
    session.on_retry(at(3));
    assert_eq!(drain(&mut session), nothing());
}

#[test]
fn what_is_reported_again_changes_nothing() {
    let mut session = session(None);
    session.on_newest(Some(&publication(2, SMALL)), at(1));
    drain(&mut session);
    session.changed_statuses();
    let reports = [
        report(1, Some(1), VmAnswer::Pending),
        report(1, Some(1), nacked(2, true)),
        report(1, Some(2), acked(2)),
    ];
    for (report, second) in reports.into_iter().zip(2..) {
        let news = session.on_message(report.clone(), EARLIEST, at(second));
        assert!(news.unwrap().len() < 2);
        assert!(session.changed_statuses().is_some(), "{report:?}");
        drain(&mut session);
        let news = session.on_message(report.clone(), EARLIEST, at(9));
        assert_eq!(news, Ok(vec![]));
        assert!(session.changed_statuses().is_none(), "{report:?}");
        drain(&mut session);
    }
    assert_eq!(shown(&session, HOLDER).since_ms, 4000);
}
