// The language as a JSON Schema, from which editors complete, explain and check; made from field_descriptions().
#pragma once

#include <string>

namespace gatehouse::config {

// conf/gatehouse.schema.json, of the dialect 2020-12; a test compares the file with this text. It refuses nothing that
// the loader accepts in its usual spelling; what depends on other fields, or on the world, only the loader knows.
std::string json_schema();

} // namespace gatehouse::config
