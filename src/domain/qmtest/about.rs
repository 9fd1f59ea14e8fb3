//! What Testyard knows about an item and QMTest does not: an element `testyard` below the root.
//!
//! QMTest looks for elements anywhere below the root by their names (`argument`, `class`, `class-name`, `prerequisite`,
//! `resource`, `test_id`, `suite_id`); none of these stands in `testyard`, and so QMTest passes over it:
//!
//! ```xml
//! <testyard><keyword>smoke</keyword><owner>kim</owner><about>What it is.</about>
//!  <file name="log.txt" mime-type="text/plain" description="" location="a.qms/log.txt"/></testyard>
//! ```

use super::value::Unwritable;
use super::xml::{Element, Writer, XmlError};
use crate::domain::catalogue::item::About;
use crate::domain::catalogue::value::{Attachment, Source, guess_mime_type};

const ELEMENT: &str = "testyard";

/// Reads what stands in the element `testyard` of an item, if there is one.
///
/// # Errors
/// If there are two, or there is something in it that is not known.
pub fn read(root: &Element) -> Result<About, XmlError> {
    let mut about = About::default();
    let Some(element) = root.elements().find(|child| child.name == ELEMENT) else { return Ok(about) };
    if root.only(ELEMENT).is_none() {
        return Err(element.error("there are two elements `testyard`: want one"));
    }
    for child in element.elements() {
        match child.name.as_str() {
            "keyword" => {
                about.keywords.insert(child.text()?);
            }
            "owner" => about.owner = Some(child.text()?),
            "about" => about.description = Some(child.text()?),
            "file" => {
                let (name, attachment) = file(child)?;
                about.attachments.insert(name, attachment);
            }
            other => {
                let what = format!("`{other}` is not known in `testyard`: want one of keyword, owner, about, file");
                return Err(child.error(what));
            }
        }
    }
    Ok(about)
}

fn file(element: &Element) -> Result<(String, Attachment), XmlError> {
    let attribute = |name: &str| element.attribute(name).map(str::to_owned);
    let stated = |name: &str| {
        attribute(name).ok_or_else(|| element.error(format!("`file` in `testyard` takes the attribute `{name}`")))
    };
    let name = stated("name")?;
    let filename = attribute("filename").unwrap_or_else(|| name.clone());
    let attachment = Attachment {
        mime_type: attribute("mime-type").unwrap_or_else(|| guess_mime_type(&filename)),
        description: attribute("description").unwrap_or_default(),
        source: Source::Location { location: stated("location")? },
        filename,
    };
    Ok((name, attachment))
}

/// Writes the element, if there is anything to say. `locate` says where below the database's root the bytes of an
/// attachment lie.
///
/// # Errors
/// If XML cannot hold a character of it, or an attachment cannot be located.
pub fn write(
    about: &About,
    out: &mut Writer,
    locate: &mut dyn FnMut(&Attachment) -> Result<String, Unwritable>,
) -> Result<(), Unwritable> {
    if *about == About::default() {
        return Ok(());
    }
    out.raw(" <testyard>");
    for keyword in &about.keywords {
        out.text_element("keyword", keyword)?;
    }
    if let Some(owner) = &about.owner {
        out.text_element("owner", owner)?;
    }
    if let Some(description) = &about.description {
        out.text_element("about", description)?;
    }
    for (name, attachment) in &about.attachments {
        let location = locate(attachment)?;
        out.open_tag("file");
        out.attribute("name", name)?;
        if attachment.filename != *name {
            out.attribute("filename", &attachment.filename)?;
        }
        out.attribute("mime-type", &attachment.mime_type)?;
        out.attribute("description", &attachment.description)?;
        out.attribute("location", &location)?;
        out.close_empty();
    }
    out.raw("</testyard>\n");
    Ok(())
}
