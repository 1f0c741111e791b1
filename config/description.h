// The YAML language as data: one entry for each field, made from the very table that loads the file, so that messages,
// documentation and schema cannot differ from what is accepted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gatehouse::config {

// How the field's value is built in YAML.
enum class FieldShape : std::uint8_t {
    Value,         // a scalar, or a small list or mapping that is one value ("key.cookies", "trusted_proxies")
    Mapping,       // a mapping with the fields below it
    NamedMappings, // a mapping from names of the user's choice to mappings: "origins.<name>"
    ListOfMappings // a list of mappings: "behaviors[]"
};

// What a value looks like, as far as a schema can say it.
struct ValueForm {
    enum class Kind : std::uint8_t {
        Text,
        Duration,
        Size,
        Number,
        Boolean,
        Word,
        Texts,
        Selection,
        StatusDurations,
        NamePatterns,
        Statuses,
        HeaderLines,
        SliceSize,    // {slice: SIZE}
        LongestWait,  // {max_wait: DURATION}
        CacheControl, // client_cache_control
        IgnoredNames, // {ignore: [names]}
        ErrorPages,   // error_pages; `pattern`: of a page
        Names         // one name, or a list of names
    };
    Kind kind = Kind::Text;
    // Word: all there are. Selection: those beside its lists. Otherwise what is accepted beside the kind: "auto",
    // "off".
    std::vector<std::string> words;
    std::uint64_t min = 0;              // Size, SliceSize and Number; Duration in milliseconds
    std::uint64_t max = 0;              // Size, SliceSize and Number
    std::vector<std::uint64_t> numbers; // Number: the only ones; empty: all from min to max
    // Text, and the names of Texts and Selection: a regular expression of ECMA-262; "" for all but the empty text.
    std::string pattern;
    std::vector<std::string> default_items; // Texts
    bool list = false;                      // Selection: a plain list
    bool except = false;                    // Selection: {except: [names]}
};

struct FieldDescription {
    std::string path;         // "origins.<name>.connect_timeout", "behaviors[].path_pattern"
    std::string type;         // "duration"
    std::string default_text; // "5s"; "" when the field is required
    std::string sentence;     // what the field does
    std::string accepted;     // "1ms to 1h"
    FieldShape shape = FieldShape::Value;
    bool required = false;
    ValueForm form{}; // of a Value, and the words that a Mapping accepts beside

    // "origins.<name>.connect_timeout: duration, default 5s. <sentence> Accepted: 1ms to 1h."
    std::string describe() const;
};

// Every field of the language, parents before their fields, in the order of the documentation.
const std::vector<FieldDescription>& field_descriptions();

} // namespace gatehouse::config
