//! The forms of values that the language takes at a place of a file.

use std::sync::LazyLock;

use deployer_cfn::schemas::Shape as RawShape;
use deployer_lang::document;
use deployer_lang::model::Kind;
use deployer_lang::model::properties::{Property, Shape};

use crate::outline::Outline;
use crate::place::{Place, Step, resource_of};

/// The file as a whole.
static FILE: LazyLock<Shape> = LazyLock::new(|| Shape::Object(document::top_level_properties()));

/// A resource whose type is not of the language.
static UNTYPED: LazyLock<Shape> = LazyLock::new(|| Shape::Object(document::resource_properties()));

/// A resource of each type of the language.
static TYPED: LazyLock<Vec<(Kind, Shape)>> = LazyLock::new(|| {
    let typed = |kind: Kind| {
        let mut properties = document::resource_properties();
        for property in properties.iter_mut().filter(|property| property.name == "properties") {
            property.shape = Shape::Object(kind.properties());
        }
        (kind, Shape::Object(properties))
    };
    Kind::ALL.into_iter().map(typed).collect()
});

/// What a place takes: forms of the language, or a place in the schema of a CloudFormation type.
#[derive(Debug, Clone)]
pub struct Forms {
    /// The forms, of which one applies; forms with a name are replaced by what they are.
    pub shapes: Vec<&'static Shape>,
    /// The place in the schema, below the properties of a CloudFormation type.
    pub raw: Option<RawShape<'static>>,
    /// Names of the properties of that type that only AWS sets.
    pub read_only: Vec<&'static str>,
    /// The named forms around the place.
    named: Vec<(&'static str, &'static Shape)>,
}

impl Forms {
    /// Returns the forms at the end of a path. `kind` is the type of the resource that the path leads into.
    #[must_use]
    pub fn at(path: &[Step], kind: Option<Kind>) -> Self {
        let mut forms = Self::of(&FILE);
        let mut rest = path;
        if resource_of(path).is_some() {
            forms = Self::of_resource(kind);
            rest = path.get(2..).unwrap_or_default();
        }
        rest.iter().fold(forms, |forms, step| match step {
            Step::Key(key) => forms.key(key, kind),
            Step::Item => forms.item(),
        })
    }

    fn of(shape: &'static Shape) -> Self {
        let mut forms = Self { shapes: Vec::new(), raw: None, read_only: Vec::new(), named: Vec::new() };
        forms.add(shape);
        forms
    }

    /// Returns the form of the whole file.
    #[must_use]
    pub fn of_file() -> Self {
        Self::of(&FILE)
    }

    /// Returns the form of a resource of a type.
    #[must_use]
    pub fn of_resource(kind: Option<Kind>) -> Self {
        let typed = TYPED.iter().find(|(of, _)| Some(*of) == kind).map(|(_, shape)| shape);
        Self::of(typed.unwrap_or(&UNTYPED))
    }

    /// Adds a form, with its alternatives each.
    fn add(&mut self, shape: &'static Shape) {
        match shape {
            Shape::Either(shapes) => shapes.iter().for_each(|shape| self.add(shape)),
            Shape::Named(name, shape) => {
                self.named.push((name, shape));
                self.add(shape);
            }
            Shape::Again(name) => {
                let around =
                    self.named.iter().rev().find(|(known, _)| known == name).map(|(_, shape)| *shape);
                // A form is not its own alternative.
                if let Some(around) = around.filter(|around| !matches!(around, Shape::Again(_))) {
                    self.add(around);
                }
            }
            other => self.shapes.push(other),
        }
    }

    /// Returns the forms of the value of a key. `kind` is the type of the resource around it.
    #[must_use]
    pub fn key(&self, key: &str, kind: Option<Kind>) -> Self {
        let mut forms =
            Self { shapes: Vec::new(), raw: None, read_only: Vec::new(), named: self.named.clone() };
        if let Some(raw) = self.raw {
            forms.raw = Some(raw.property(key));
            return forms;
        }
        for shape in &self.shapes {
            match shape {
                Shape::Object(properties) => {
                    if let Some(property) = properties.iter().find(|property| property.name == key) {
                        let is_properties =
                            key == "properties" && property.shape == Shape::Object(Vec::new());
                        if let (true, Some(Kind::Raw(type_id))) = (is_properties, kind) {
                            let schema = type_id.schema();
                            forms.raw = Some(schema.shape());
                            forms.read_only = schema.read_only().collect();
                        }
                        forms.add(&property.shape);
                    }
                }
                Shape::Map(item) => forms.add(item),
                _ => {}
            }
        }
        forms
    }

    /// Returns the forms of an item of a list.
    #[must_use]
    pub fn item(&self) -> Self {
        let mut forms = Self {
            shapes: Vec::new(),
            raw: self.raw.map(RawShape::item),
            read_only: Vec::new(),
            named: self.named.clone(),
        };
        for shape in &self.shapes {
            if let Shape::List(item) = shape {
                forms.add(item);
            }
        }
        forms
    }

    /// Returns the properties of the mappings that the place takes.
    pub fn properties(&self) -> impl Iterator<Item = &'static Property> {
        self.shapes.iter().flat_map(|shape| match shape {
            Shape::Object(properties) => properties.as_slice(),
            _ => &[],
        })
    }

    /// Returns whether `${…}` in a text of this place is a column of a row, and not a reference.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.shapes.iter().any(|shape| matches!(shape, Shape::Template))
    }
}

/// Returns the type of the resource that a place is in: as the file has it now, else as it had it.
#[must_use]
pub fn kind_of(place: &Place<'_>, now: &Outline, before: &Outline) -> Option<Kind> {
    let name = resource_of(&place.path)?;
    let now = now.resource(name);
    match now.and_then(|resource| resource.type_name.as_ref()) {
        Some(_) => now?.kind,
        None => before.resource(name)?.kind,
    }
}
