//! Going through an item to change what it names: files and other items.

use crate::domain::catalogue::item::{Extension, Item, PREREQUISITES, RESOURCES, Suite};
use crate::domain::catalogue::value::{Attachment, Value};

/// Goes through the attachments of an item, beside it and in its arguments.
pub(super) fn each_attachment(
    item: &mut Item,
    act: &mut dyn FnMut(&mut Attachment) -> Result<(), String>,
) -> Result<(), String> {
    fn within(value: &mut Value, act: &mut dyn FnMut(&mut Attachment) -> Result<(), String>) -> Result<(), String> {
        match value {
            Value::Attachment(Some(attachment)) => act(attachment),
            Value::Set(values) | Value::Tuple(values) => values.iter_mut().try_for_each(|value| within(value, act)),
            Value::Dictionary(pairs) => pairs.iter_mut().try_for_each(|(key, value)| {
                within(key, act)?;
                within(value, act)
            }),
            _ => Ok(()),
        }
    }
    let about = match item {
        Item::Test(extension) | Item::Resource(extension) => {
            extension.arguments.values_mut().try_for_each(|value| within(value, act))?;
            &mut extension.about
        }
        Item::Suite(suite) => &mut suite.about,
        Item::Directory | Item::Expectation(_) | Item::Class(_) => return Ok(()),
    };
    about.attachments.values_mut().try_for_each(act)
}

/// Goes through the ids that an item names: prerequisites, resources, members.
pub(super) fn each_reference(item: &mut Item, act: &dyn Fn(&mut String)) {
    match item {
        Item::Test(Extension { arguments, .. }) | Item::Resource(Extension { arguments, .. }) => {
            for name in [PREREQUISITES, RESOURCES] {
                let Some(Value::Set(values)) = arguments.get_mut(name) else { continue };
                for value in values {
                    match value {
                        Value::Text(id) => act(id),
                        Value::Tuple(pair) => {
                            if let Some(Value::Text(id)) = pair.first_mut() {
                                act(id);
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
        Item::Suite(Suite { test_ids, suite_ids, .. }) => {
            test_ids.iter_mut().chain(suite_ids).for_each(act);
        }
        Item::Directory | Item::Expectation(_) | Item::Class(_) => {}
    }
}
