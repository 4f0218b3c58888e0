//! Requests through a filter that is not ours, on a whole proxy.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod example;

use example::{NOW_NS, plugin, request, response, values};
use riskgate_wasm_host::{
    CallId, ExchangeOptions, Fault, GrpcCall, GrpcReply, GrpcService, GrpcStream, HttpCall,
    HttpReply, HttpResponse, Outcome, Passage, PluginId, Progress, Replies, Server,
};

const WORKER: usize = 1;

fn server(configuration: &str) -> (Server, PluginId) {
    let mut server = Server::new(1, NOW_NS);
    server.set_property(b"request\0url_path", b"/a");
    let plugin = server.install(plugin(configuration)).unwrap();
    (server, plugin)
}

fn send(server: &mut Server, plugin: PluginId, what: &str) -> Outcome {
    server.exchange(plugin, WORKER, request(what), |_| response())
}

fn answer(outcome: &Outcome) -> String {
    values(&outcome.stream.request.headers, "x-answer").concat()
}

#[test]
fn headers_properties_and_the_response_are_changed() {
    let (mut server, plugin) = server("");
    let outcome = send(&mut server, plugin, "mark");
    assert_eq!(outcome.status(), Some(200));
    assert!(outcome.reached_upstream);
    let stream = &outcome.stream;
    assert_eq!(values(&stream.request.headers, "x-seen"), ["/a"]);
    assert!(values(&stream.request.headers, "x-do").is_empty());
    assert_eq!(values(&stream.response.headers, "x-marked"), ["yes"]);
    assert!(values(&stream.response.headers, "server").is_empty());
    assert_eq!(stream.response.sent_body, b"hi!");
    assert_eq!(stream.set_properties[&b"example\0path"[..]], b"/a");
}

#[test]
fn a_filter_answers_in_place_of_the_upstream() {
    let (mut server, plugin) = server("");
    let outcome = server.exchange(plugin, WORKER, request("refuse"), |_| {
        panic!("the upstream is not asked")
    });
    assert_eq!(outcome.status(), Some(403));
    assert!(!outcome.reached_upstream);
    let headers = &outcome.stream.response.headers;
    assert_eq!(values(headers, "x-by"), ["example"]);
    assert_eq!(values(headers, "content-length"), ["7"]);
    assert_eq!(outcome.stream.response.sent_body, b"refused");
}

fn upper(chunks: &[&str], options: ExchangeOptions) -> Outcome {
    let mut server = Server::new(1, NOW_NS);
    let mut plugin = plugin("");
    plugin.options = options;
    let plugin = server.install(plugin).unwrap();
    let mut request = request("upper");
    let chunks = chunks.iter();
    request.body = chunks.map(|chunk| chunk.as_bytes().to_vec()).collect();
    server.exchange(plugin, WORKER, request, |_| response())
}

#[test]
fn a_body_is_held_back_until_it_is_whole() {
    let options = ExchangeOptions {
        allow_on_headers_stop_iteration: true,
        buffer_limit_bytes: Some(9),
    };
    for chunks in [
        &["a quiet y"][..],
        &["a ", "quiet", " y"],
        &["", "a quiet y", ""],
    ] {
        let outcome = upper(chunks, options);
        assert_eq!(outcome.status(), Some(200), "{chunks:?}");
        assert_eq!(outcome.stream.request.sent_body, b"A QUIET Y", "{chunks:?}");
    }
    let outcome = upper(&["a quiet", " yes", "!"], options);
    assert_eq!(outcome.status(), Some(413), "beyond the buffer's limit");
    assert!(!outcome.reached_upstream);
}

#[test]
fn without_the_option_a_stop_at_headers_stops_the_body_too() {
    let outcome = upper(&["a quiet yes"], ExchangeOptions::default());
    assert_eq!(outcome.progress, Progress::RequestWaits);
    assert_eq!(outcome.status(), None, "the client gave up");
}

#[test]
fn an_http_call_holds_the_request_until_it_is_answered() {
    let (mut server, plugin) = server("");
    server.process().add_http_service(b"answers", |call| {
        assert_eq!(values(&call.headers, ":path"), ["/answer"]);
        HttpReply {
            after_ms: 40,
            response: Some(HttpResponse {
                headers: vec![(b":status".to_vec(), b"200".to_vec())],
                body: b"yes".to_vec(),
                ..HttpResponse::default()
            }),
        }
    });
    let id = server
        .begin(plugin, WORKER, request("ask answers"))
        .unwrap();
    assert_eq!(server.run(id), Progress::RequestWaits);
    server.advance(39).unwrap();
    assert_eq!(server.run(id), Progress::RequestWaits);
    server.advance(1).unwrap();
    assert_eq!(server.run(id), Progress::AtUpstream);
    server.respond(id, response());
    assert_eq!(server.run(id), Progress::Over);
    assert_eq!(answer(&server.end(id)), "200 yes");
}

#[test]
fn an_http_call_can_fail_in_each_way() {
    let (mut server, plugin) = server("");
    let process = server.process();
    let reply = |after_ms, response: Option<HttpResponse>| {
        move |_: &HttpCall| HttpReply {
            after_ms,
            response: response.clone(),
        }
    };
    process.add_http_service(b"resets", reply(0, None));
    process.add_http_service(b"sleeps", reply(1_000, Some(HttpResponse::default())));
    process.add_cluster(b"empty");
    assert_eq!(
        answer(&send(&mut server, plugin, "ask nobody")),
        "BadArgument"
    );
    let reset = send(&mut server, plugin, "ask resets");
    assert_eq!(answer(&reset), r#"reset Some((11, Some("reset")))"#);
    let empty = send(&mut server, plugin, "ask empty");
    assert_eq!(answer(&empty), "503 no healthy upstream");
    let id = server.begin(plugin, WORKER, request("ask sleeps")).unwrap();
    server.run(id);
    server.advance(250).unwrap();
    assert_eq!(server.run(id), Progress::AtUpstream);
    assert_eq!(answer(&server.end(id)), "504 upstream request timeout");
}

/// Answers every call with its own message, and closes those of a VM that is not the one it likes.
struct Answers;

impl GrpcService for Answers {
    fn opened(&mut self, _id: CallId, _stream: &GrpcStream, _replies: &mut Replies) {}

    fn received(&mut self, _id: CallId, _message: &[u8], _replies: &mut Replies) {}

    fn called(&mut self, id: CallId, call: &GrpcCall, replies: &mut Replies) {
        let text = [&call.message[..], b"?"].concat();
        replies.send(id, GrpcReply::Message(text));
        replies.send(id, GrpcReply::Close(13, b"too late to be told".to_vec()));
    }
}

#[test]
fn a_grpc_call_is_answered_once_and_times_out() {
    let (mut server, plugin) = server("");
    let failed = send(&mut server, plugin, "call answers");
    assert_eq!(answer(&failed), "ParseFailure", "no such cluster");
    server.process().add_cluster(b"answers");
    let id = server
        .begin(plugin, WORKER, request("call answers"))
        .unwrap();
    assert_eq!(server.run(id), Progress::RequestWaits);
    server.end(id);
    server
        .process()
        .add_grpc_service("answers.Answers", Answers);
    assert_eq!(
        answer(&send(&mut server, plugin, "call answers")),
        "0 what?"
    );
    server.advance(10_000).unwrap();
}

#[test]
fn foreign_functions_are_what_the_test_says() {
    let (mut server, plugin) = server("");
    let missing = send(&mut server, plugin, "foreign reverse");
    assert_eq!(answer(&missing), "NotFound");
    let vm = server.vm(plugin, WORKER).unwrap();
    vm.proxy_mut().set_foreign_function("reverse", |argument| {
        Ok(argument.iter().rev().copied().collect())
    });
    let reversed = send(&mut server, plugin, "foreign reverse");
    assert_eq!(answer(&reversed), "tnemugra");
}

#[test]
fn memory_runs_out_where_the_test_says() {
    let (mut server, plugin) = server("");
    let proxy = server.vm(plugin, WORKER).unwrap().proxy_mut();
    proxy.set_memory_limit_bytes(16 << 20);
    assert_eq!(answer(&send(&mut server, plugin, "take 4")), "taken");
    assert_eq!(answer(&send(&mut server, plugin, "take 40")), "no memory");
    let proxy = server.vm(plugin, WORKER).unwrap().proxy_mut();
    assert!(proxy.memory_refusals() > 0);
    assert!(proxy.memory_bytes() <= 16 << 20);

    // The VM gives no memory for what a call returns, and the SDK takes that for a failure.
    proxy.inject("proxy_on_memory_allocate", Fault::Status(6));
    let outcome = send(&mut server, plugin, "mark");
    assert_eq!(outcome.passage, Passage::Failed);
    assert_eq!(outcome.status(), Some(503));
}
