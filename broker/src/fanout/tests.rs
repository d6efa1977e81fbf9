use super::*;
use proptest::prelude::*;

fn table(retained_max: usize) -> Table {
    Table::new(retained_max, Arc::default())
}

fn mailbox(deliveries_max: usize) -> Arc<Mailbox> {
    Arc::new(Mailbox::new(Arc::new(Handle::new()), deliveries_max))
}

fn drain(mailbox: &Mailbox) -> Vec<(String, u8)> {
    std::iter::from_fn(|| mailbox.take()).map(|l| (l.message.topic.to_string(), l.qos)).collect()
}

fn topics(messages: &[Arc<Message>]) -> Vec<&str> {
    messages.iter().map(|message| &*message.topic).collect()
}

#[test]
fn overlapping_filters_give_one_copy_with_the_highest_qos() {
    let (table, app) = (table(10), mailbox(10));
    for (filter, qos) in [("a/b", 0), ("a/#", 1), ("a/+", 0)] {
        table.subscribe(&app, filter, qos);
    }
    assert_eq!(table.publish("a/b", b"x", false), 1);
    assert_eq!(table.publish("c", b"x", false), 0);
    assert_eq!(drain(&app), [("a/b".to_owned(), 1)]);
    for filter in ["a/#", "a/+", "a/b"] {
        table.unsubscribe(&app, filter);
    }
    assert_eq!(table.publish("a/b", b"x", false), 0);
    assert!(table.state().exact.is_empty() && table.state().wild.is_empty());
}

#[test]
fn an_empty_retained_message_clears_and_a_plain_empty_one_does_not() {
    let table = table(10);
    table.publish("a/b", b"x", true);
    table.publish("a/b", b"", false);
    assert_eq!(topics(&table.retained("a/#", None, 9)), ["a/b"]);
    table.publish("a/b", b"", true);
    assert!(table.retained("a/#", None, 9).is_empty());
}

#[test]
fn retained_messages_are_bounded_and_come_in_pages() {
    let table = table(3);
    for name in ["a", "a/1", "a/2", "a/3"] {
        table.publish(name, b"x", true);
    }
    table.publish("a/2", b"y", true);
    let page = table.retained("a/#", None, 2);
    assert_eq!(topics(&page), ["a", "a/1"]);
    assert_eq!(topics(&table.retained("a/#", Some("a/1"), 2)), ["a/2"]);
    assert_eq!(table.meters.snapshot().retained_refused, 1);
    assert_eq!(table.meters.snapshot().retained, 3);
}

#[test]
fn a_full_mailbox_closes_its_connection_and_nobody_elses() {
    let (table, slow, quick) = (table(10), mailbox(2), mailbox(10));
    table.subscribe(&slow, "#", 1);
    table.subscribe(&quick, "#", 1);
    for _ in 0..3 {
        table.publish("a", b"x", false);
    }
    assert_eq!(slow.handle.closing(), Some(CloseReason::SlowSubscriber));
    assert_eq!(quick.handle.closing(), None);
    assert_eq!(drain(&quick).len(), 3);
}

proptest! {
    #[test]
    fn the_table_agrees_with_matching_one_by_one(
        filters in proptest::collection::vec("([ab]|\\+)(/([ab]|\\+)){0,2}(/#)?", 0..6),
        names in proptest::collection::vec("[ab](/[ab]){0,3}", 1..8),
        asked in "([ab]|\\+)(/([ab]|\\+)){0,2}(/#)?",
    ) {
        let table = table(100);
        let boxes: Vec<_> = filters.iter().map(|filter| {
            let mailbox = mailbox(100);
            table.subscribe(&mailbox, filter, 0);
            mailbox
        }).collect();
        for name in &names {
            table.publish(name, b"x", true);
        }
        for (filter, mailbox) in filters.iter().zip(&boxes) {
            let expected: Vec<_> = names.iter().filter(|n| topic::matches(filter, n)).map(|n| (n.clone(), 0)).collect();
            prop_assert_eq!(drain(mailbox), expected);
        }
        let mut expected: Vec<_> = names.iter().filter(|n| topic::matches(&asked, n)).map(String::as_str).collect();
        expected.sort_unstable();
        expected.dedup();
        let mut found: Vec<Arc<Message>> = Vec::new();
        loop {
            let after = found.last().map(|m| m.topic.to_string());
            let page = table.retained(&asked, after.as_deref(), 2);
            if page.is_empty() { break }
            found.extend(page);
        }
        prop_assert_eq!(topics(&found), expected);
    }
}
