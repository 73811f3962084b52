//! Pages of lists: `?page=` and `?per_page=`, `X-Total-Count` and RFC 8288 `Link`.

use poem::http::Uri;
use poem_openapi::registry::MetaSchema;

use super::{
    described::{Described, Kind},
    problem::{ApiResult, Problem},
    query::OptionalQuery,
};
use crate::validation::FieldError;

const DEFAULT_PER_PAGE: i64 = 20;
const MAX_PER_PAGE: u8 = 100;

/// `page`: which page of a list is wanted.
pub type PageNumber = Described<i64, Number>;
/// `per_page`: how many a page is to have.
pub type PageSize = Described<i64, Size>;

pub enum Number {}

impl Kind for Number {
    fn describe(schema: &mut MetaSchema) {
        schema.description = Some("The number of the page, starting at 1. A page past the end is empty.");
        schema.minimum = Some(1.0);
        schema.default = Some(1.into());
    }
}

pub enum Size {}

impl Kind for Size {
    fn describe(schema: &mut MetaSchema) {
        schema.description = Some("The number of entries per page, 1 to 100.");
        schema.minimum = Some(1.0);
        schema.maximum = Some(MAX_PER_PAGE.into());
        schema.default = Some(DEFAULT_PER_PAGE.into());
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Page {
    pub number: i64,
    pub size: i64,
}

impl Page {
    /// # Errors
    /// 422 when the page is not from 1, or its size not from 1 to 100.
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
        Problem::unless_empty(errors)?;
        Ok(Self { number, size })
    }

    #[must_use]
    pub fn offset(self) -> i64 {
        (self.number - 1).saturating_mul(self.size)
    }

    /// Where the neighbours of this page are, keeping the query's other parameters.
    #[must_use]
    pub fn links(self, asked: &Uri, total: i64) -> String {
        let last = (total + self.size - 1).div_euclid(self.size).max(1);
        let others = asked.query().unwrap_or_default().split('&');
        let kept: Vec<&str> = others.filter(|part| !part.is_empty() && !part.starts_with("page=")).collect();
        let link = |rel: &str, page: i64| {
            let query = [kept.as_slice(), &[format!("page={page}").as_str()]].concat().join("&");
            format!("<{}?{query}>; rel=\"{rel}\"", asked.path())
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
        let asked = "/api/products?search=mug&page=2&per_page=10".parse().unwrap();
        assert_eq!(
            Page { number: 2, size: 10 }.links(&asked, 35),
            "</api/products?search=mug&per_page=10&page=1>; rel=\"first\", \
             </api/products?search=mug&per_page=10&page=1>; rel=\"prev\", \
             </api/products?search=mug&per_page=10&page=3>; rel=\"next\", \
             </api/products?search=mug&per_page=10&page=4>; rel=\"last\""
        );
    }

    #[test]
    fn a_page_past_the_end_points_back_to_the_last() {
        let asked = "/api/products?page=9".parse().unwrap();
        let links = Page { number: 9, size: 20 }.links(&asked, 21);
        assert!(links.contains("page=2>; rel=\"prev\"") && !links.contains("next"), "{links}");
    }
}
