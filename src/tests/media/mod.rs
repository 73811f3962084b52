//! Images: uploaded by admins, shown to everybody, deleted when nothing shows them.

mod images;
mod storage;
mod upload;

use image::DynamicImage;
use serde_json::Value;

use crate::support::{
    Person, Product, TestShop,
    answer::{Answer, Ask},
};

const END: &str = "\r\n--a line that no picture has--\r\n";

/// A form as a browser sends it: each part has a name, what else stands in its header, and its bytes.
pub fn form(parts: &[(&str, &str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, more, bytes) in parts {
        let more = if more.is_empty() { String::new() } else { format!("; {more}") };
        let head = format!(
            "\r\n--a line that no picture has\r\ncontent-disposition: form-data; name=\"{name}\"{more}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
    }
    body.extend_from_slice(END.as_bytes());
    ("multipart/form-data; boundary=\"a line that no picture has\"".to_owned(), body)
}

impl Person {
    fn uploads(&self, to: &str, (kind, body): (String, Vec<u8>)) -> Ask {
        self.post(to).body(&kind, body)
    }

    fn adds_image(&self, product: &Product, file: &[u8]) -> Ask {
        self.uploads(&product.images(), form(&[("image", "filename=\"IMG_0001\"", file)]))
    }
}

impl Product {
    fn path(&self) -> String {
        format!("/api/products/{}", self.id)
    }

    fn images(&self) -> String {
        format!("{}/images", self.path())
    }
}

/// The names of what is in the shop's media folder.
pub fn files(shop: &TestShop) -> Vec<String> {
    let entries = std::fs::read_dir(shop.media_folder()).expect("the media folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name of ours")).collect();
    names.sort_unstable();
    names
}

/// Where an address is on the shop's own server.
pub fn path(url: &Value) -> String {
    let url = url.as_str().expect("an address");
    url.strip_prefix("https://shop.test").expect("an address of this shop").to_owned()
}

fn decoded(answer: &Answer) -> DynamicImage {
    image::load_from_memory(answer.bytes()).expect("a picture")
}
