//! A custom filter's own attributes.

use crate::bundles::{PLAIN, Spec};
use crate::driver::Driver;
use riskgate_filter_sdk::host::Host;
use riskgate_filter_sdk::{CustomAttributes, CustomValues, Filter, Flow, Vm};
use std::cell::RefCell;
use std::rc::Rc;

const CUSTOM: Spec = Spec {
    attributes: "attributes:
  - { name: device.risk_score, type: int }
  - { name: device.tags, type: strings }
  - { name: session.id, type: string }
",
    rules: r#"
  - { id: risky, when: device.risk_score > 80, then: deny }
  - { id: tagged, when: 'device.tags == "bot"', then: deny }
"#,
    ..PLAIN
};

/// Knows what a property says, and notes which names it is asked for.
#[derive(Clone, Default)]
struct Device {
    asked: Rc<RefCell<Vec<String>>>,
}

impl CustomAttributes for Device {
    fn supply(
        &self,
        host: &dyn Host,
        names: &mut dyn Iterator<Item = &str>,
        values: &mut CustomValues,
    ) {
        let mut asked: Vec<String> = names.map(str::to_owned).collect();
        asked.sort();
        *self.asked.borrow_mut() = asked;
        let mut text = Vec::new();
        if host.property("device\0score", &mut text) == Ok(true) {
            values.push("device.risk_score", &text);
        }
        if host.property("device\0tags", &mut text) == Ok(true) {
            for tag in text.split(|byte| *byte == b',') {
                values.push("device.tags", tag);
            }
        }
        values.push("nobody.asked", b"x");
    }
}

/// A filter with the device's attributes, or the usual one.
fn driver(spec: &Spec, device: Option<&Device>) -> Driver {
    let mut driver = Driver::new("");
    let json = crate::driver::config(&format!(r#","bundle":"{}""#, spec.base64()));
    let mut filter = Filter::new(&Vm::default());
    if let Some(device) = device {
        filter = filter.with_attributes(Box::new(device.clone()));
    }
    filter.on_configure(&driver.proxy, json.as_bytes());
    driver.filter = filter;
    driver
}

/// Path and value.
type Property = Option<(&'static str, &'static [u8])>;

fn flow(driver: &mut Driver, property: Property) -> Flow {
    driver.proxy.properties.get_mut().clear();
    if let Some((path, value)) = property {
        let properties = driver.proxy.properties.get_mut();
        properties.insert(path.to_owned(), value.to_vec());
    }
    driver.request("/", &[])
}

#[test]
fn rules_read_what_a_custom_filter_supplies() {
    let device = Device::default();
    let mut driver = driver(&CUSTOM, Some(&device));
    let cases: [(Property, Flow); 6] = [
        (None, Flow::Continue),
        (Some(("device/score", b"81")), Flow::Answered),
        (Some(("device/score", b"80")), Flow::Continue),
        (Some(("device/score", b"none")), Flow::Continue),
        (Some(("device/tags", b"new,bot")), Flow::Answered),
        // Nothing is left of the request before.
        (None, Flow::Continue),
    ];
    for (property, expected) in cases {
        assert_eq!(flow(&mut driver, property), expected, "{property:?}");
    }
    let asked = ["device.risk_score", "device.tags"];
    assert_eq!(*device.asked.borrow(), asked, "only what the rules read");
}

#[test]
fn without_them_they_are_absent() {
    let score: (&'static str, &'static [u8]) = ("device/score", b"81");
    let mut usual = driver(&CUSTOM, None);
    assert_eq!(flow(&mut usual, Some(score)), Flow::Continue);
    let device = Device::default();
    let mut unread = driver(&PLAIN, Some(&device));
    assert_eq!(flow(&mut unread, Some(score)), Flow::Continue);
    assert!(device.asked.borrow().is_empty(), "no rule reads any");
}
