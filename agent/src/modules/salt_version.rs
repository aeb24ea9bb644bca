//! `salt_version`: whether this minion is of a named release.

use salt_wire::Value;

use super::{Function, row};
use crate::context::{Args, Result};
use crate::grains::SALT_VERSION;

/// The rows of `salt_version`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "salt_version.equal",
        "name",
        |_, args| compared(args, |ours, theirs| ours == theirs),
        "Whether this minion's version begins like the release of this name.",
        "salt '*' salt_version.equal 'Oxygen'"
    ),
    row!(
        "salt_version.get_release_number",
        "name",
        |_, args| Ok(number(&args.text("name")?).map_or(Value::Null, Value::from)),
        "Return the number of the release of this name.",
        "salt '*' salt_version.get_release_number 'Oxygen'"
    ),
    row!(
        "salt_version.greater_than",
        "name",
        |_, args| compared(args, |ours, theirs| ours > theirs),
        "Whether this minion's version is newer than the release of this name.",
        "salt '*' salt_version.greater_than 'Oxygen'"
    ),
    row!(
        "salt_version.less_than",
        "name",
        |_, args| compared(args, |ours, theirs| ours < theirs),
        "Whether this minion's version is older than the release of this name.",
        "salt '*' salt_version.less_than 'Oxygen'"
    ),
];

/// Each release's name and number; a name without one is of a release to come.
const NAMES: &[(&str, &str)] = &[
    ("hydrogen", "2014.1"),
    ("helium", "2014.7"),
    ("lithium", "2015.5"),
    ("beryllium", "2015.8"),
    ("boron", "2016.3"),
    ("carbon", "2016.11"),
    ("nitrogen", "2017.7"),
    ("oxygen", "2018.3"),
    ("fluorine", "2019.2"),
    ("neon", "3000"),
    ("sodium", "3001"),
    ("magnesium", "3002"),
    ("aluminium", "3003"),
    ("silicon", "3004"),
    ("phosphorus", "3005"),
    ("sulfur", "3006"),
    ("chlorine", "3007"),
    ("argon", "3008"),
    ("potassium", "3009"),
    ("calcium", "3010"),
    ("scandium", "3011"),
    ("titanium", "3012"),
    ("vanadium", "3013"),
    ("chromium", "3014"),
    ("manganese", "3015"),
    ("iron", "3016"),
    ("cobalt", "3017"),
    ("nickel", "3018"),
    ("copper", "3019"),
    ("zinc", "3020"),
    ("gallium", "3021"),
    ("germanium", "3022"),
    ("arsenic", "3023"),
    ("selenium", "3024"),
    ("bromine", "3025"),
    ("krypton", "3026"),
    ("rubidium", "3027"),
    ("strontium", "3028"),
    ("yttrium", "3029"),
    ("zirconium", "3030"),
    ("niobium", "3031"),
    ("molybdenum", "3032"),
    ("technetium", "3033"),
    ("ruthenium", "3034"),
    ("rhodium", "3035"),
    ("palladium", "3036"),
    ("silver", "3037"),
    ("cadmium", "3038"),
    ("indium", "3039"),
    ("tin", "3040"),
    ("antimony", "3041"),
    ("tellurium", "3042"),
    ("iodine", "3043"),
    ("xenon", "3044"),
    ("cesium", "3045"),
    ("barium", "3046"),
    ("lanthanum", "3047"),
    ("cerium", "3048"),
    ("praseodymium", "3049"),
    ("neodymium", "3050"),
    ("promethium", "3051"),
    ("samarium", "3052"),
    ("europium", "3053"),
    ("gadolinium", "3054"),
    ("terbium", "3055"),
    ("dysprosium", "3056"),
    ("holmium", "3057"),
    ("erbium", "3058"),
    ("thulium", "3059"),
    ("ytterbium", "3060"),
    ("lutetium", "3061"),
    ("hafnium", "3062"),
    ("tantalum", "3063"),
    ("tungsten", "3064"),
    ("rhenium", "3065"),
    ("osmium", "3066"),
    ("iridium", "3067"),
    ("platinum", "3068"),
    ("gold", "3069"),
    ("mercury", "3070"),
    ("thallium", "3071"),
    ("lead", "3072"),
    ("bismuth", "3073"),
    ("polonium", "3074"),
    ("astatine", "3075"),
    ("radon", "3076"),
    ("francium", "3077"),
    ("radium", "3078"),
    ("actinium", "3079"),
    ("thorium", "3080"),
    ("protactinium", "3081"),
    ("uranium", "3082"),
    ("neptunium", "3083"),
    ("plutonium", "3084"),
    ("americium", "3085"),
    ("curium", "3086"),
    ("berkelium", "3087"),
    ("californium", "3088"),
    ("einsteinium", "3089"),
    ("fermium", "3090"),
    ("mendelevium", "3091"),
    ("nobelium", "3092"),
    ("lawrencium", "3093"),
    ("rutherfordium", "3094"),
    ("dubnium", "3095"),
    ("seaborgium", "3096"),
    ("bohrium", "3097"),
    ("hassium", "3098"),
    ("meitnerium", "3099"),
    ("darmstadtium", "3100"),
    ("roentgenium", "3101"),
    ("copernicium", "3102"),
    ("nihonium", "3103"),
    ("flerovium", "3104"),
    ("moscovium", "3105"),
    ("livermorium", "3106"),
    ("tennessine", "3107"),
    ("oganesson", "3108"),
];

fn number(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    NAMES
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, number)| *number)
}

/// The parts of a version as numbers, which sort as versions do.
fn parts(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|p| p.parse().unwrap_or_default())
        .collect()
}

fn compared(args: &Args, fits: fn(Vec<u32>, Vec<u32>) -> bool) -> Result {
    let Some(theirs) = number(&args.text("name")?) else {
        return Ok(false.into());
    };
    let ours = SALT_VERSION
        .rsplit_once('.')
        .map_or(SALT_VERSION, |(release, _)| release);
    Ok(fits(parts(ours), parts(theirs)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_known_by_name() {
        assert_eq!(number("Oxygen"), Some("2018.3"));
        assert_eq!(number("argon"), Some("3008"));
        assert_eq!(number("none"), None);
        assert!(parts("3008") > parts("2018.3"));
    }
}
