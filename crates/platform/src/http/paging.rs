//! Pages of lists: `?page=` and `?per_page=`, `X-Total-Count` and RFC 8288 `Link`.

use poem::http::Uri;
use poem_openapi::registry::MetaSchema;

use super::{
    described::{Described, Kind},
    problem::ApiResult,
    query::OptionalQuery,
};
use crate::validation::{FieldError, ValidationErrors};

const DEFAULT_PER_PAGE: i64 = 20;
const MAX_PER_PAGE: u8 = 100;

/// `page`: the number of the page, from 1.
pub type PageNumber = Described<i64, Number>;
/// `per_page`: how many entries a page has, 1 to 100.
pub type PageSize = Described<i64, Size>;

/// The schema of [`PageNumber`].
pub enum Number {}

impl Kind for Number {
    fn describe(schema: &mut MetaSchema) {
        schema.description = Some("The number of the page, starting at 1. A page past the end is empty.");
        schema.minimum = Some(1.0);
        schema.default = Some(1.into());
    }
}

/// The schema of [`PageSize`].
pub enum Size {}

impl Kind for Size {
    fn describe(schema: &mut MetaSchema) {
        schema.description = Some("The number of entries per page, 1 to 100.");
        schema.minimum = Some(1.0);
        schema.maximum = Some(MAX_PER_PAGE.into());
        schema.default = Some(DEFAULT_PER_PAGE.into());
    }
}

/// The requested part of a list: a page number from 1, and 1 to 100 entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Page {
    pub number: i64,
    pub size: i64,
}

impl Page {
    /// Reads `?page=` and `?per_page=`; 1 and 20 when they are not given.
    ///
    /// # Errors
    /// 422 when the page is less than 1, or its size not from 1 to 100.
    pub fn from_query(page: &OptionalQuery<PageNumber>, per_page: &OptionalQuery<PageSize>) -> ApiResult<Self> {
        let number = page.get("page")?.map_or(1, |number| number.0);
        let size = per_page.get("per_page")?.map_or(DEFAULT_PER_PAGE, |size| size.0);
        let mut errors = Vec::new();
        if number < 1 {
            errors.push(FieldError::new("page", "minimum", "must be at least 1"));
        }
        if !(1..=i64::from(MAX_PER_PAGE)).contains(&size) {
            errors.push(FieldError::new("per_page", "range", format!("must be from 1 to {MAX_PER_PAGE}")));
        }
        ValidationErrors(errors).into_result()?;
        Ok(Self { number, size })
    }

    /// How many entries come before the page.
    #[must_use]
    pub fn offset(self) -> i64 {
        (self.number - 1).saturating_mul(self.size)
    }

    /// The `Link` header: first, previous, next and last page, with the other parameters of the query. `total` entries in all.
    #[must_use]
    pub fn links(self, uri: &Uri, total: i64) -> String {
        let last = (total + self.size - 1).div_euclid(self.size).max(1);
        let others = uri.query().unwrap_or_default().split('&');
        let kept: Vec<&str> = others.filter(|part| !part.is_empty() && !part.starts_with("page=")).collect();
        let link = |rel: &str, page: i64| {
            let query = [kept.as_slice(), &[format!("page={page}").as_str()]].concat().join("&");
            format!("<{}?{query}>; rel=\"{rel}\"", uri.path())
        };
        let mut links = vec![link("first", 1)];
        if self.number > 1 {
            links.push(link("prev", (self.number - 1).min(last)));
        }
        if self.number < last {
            links.push(link("next", self.number + 1));
        }
        links.push(link("last", last));
        links.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn links_keep_the_other_parameters() {
        let uri = "/api/products?search=mug&page=2&per_page=10".parse().unwrap();
        assert_eq!(
            Page { number: 2, size: 10 }.links(&uri, 35),
            "</api/products?search=mug&per_page=10&page=1>; rel=\"first\", \
             </api/products?search=mug&per_page=10&page=1>; rel=\"prev\", \
             </api/products?search=mug&per_page=10&page=3>; rel=\"next\", \
             </api/products?search=mug&per_page=10&page=4>; rel=\"last\""
        );
    }

    #[test]
    fn a_page_past_the_end_points_back_to_the_last() {
        let uri = "/api/products?page=9".parse().unwrap();
        let links = Page { number: 9, size: 20 }.links(&uri, 21);
        assert!(links.contains("page=2>; rel=\"prev\"") && !links.contains("next"), "{links}");
    }
}
