//! Claims of tokens that Envoy's jwt_authn verified.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use riskgate_e2e::{Request, Stage};
use serde_json::{Value, json};

use crate::RULESET;

const ISSUER: &str = "https://login.shop.example.com";

const RULES: &str = r#"
rules:
  - id: banned-account
    when: auth.claims["sub"] == "banned"
    then: deny
  - id: only-with-account
    when: request.url_path == "/orders" && !has(auth.claims["sub"])
    then: { challenge: { status: 401 } }
"#;

#[test]
fn rules_read_the_claims_of_verified_tokens_only() {
    let stage = Stage::new().unwrap();
    let key = SigningKey::from_bytes(&[7; 32]);
    let bundle = stage.build(RULESET, RULES, 1).unwrap();
    let scenario = stage
        .scenario("jwt", RULESET)
        .unwrap()
        .set("ISSUER", ISSUER)
        .set("JWKS", jwks(&key));
    let envoy = stage.envoy(scenario.bundle(&bundle).unwrap()).unwrap();

    let status = |token: &str| {
        let request = Request::get("/orders").header("authorization", format!("Bearer {token}"));
        envoy.send(&request).unwrap().status
    };
    assert_eq!(status(&token(&key, "alice")), 200);
    assert_eq!(status(&token(&key, "banned")), 403);
    assert_eq!(
        envoy.get("/orders").unwrap().status,
        401,
        "no token, no claims"
    );
    let stranger = SigningKey::from_bytes(&[8; 32]);
    assert_eq!(
        status(&token(&stranger, "alice")),
        401,
        "jwt_authn itself refuses a bad token"
    );
}

fn jwks(key: &SigningKey) -> Value {
    let public = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "1", "x": public }] })
}

fn token(key: &SigningKey, subject: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "alg": "EdDSA", "typ": "JWT", "kid": "1" }));
    // The end of time as Envoy's JWT library takes it: far away, and still a small number.
    let payload = part(json!({ "iss": ISSUER, "sub": subject, "exp": 4_102_444_800_u64 }));
    let signed = format!("{header}.{payload}");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).to_bytes());
    format!("{signed}.{signature}")
}
