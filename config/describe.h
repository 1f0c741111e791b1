// The language as a page for people, made from field_descriptions().
#pragma once

#include <string>

namespace gatehouse::config {

// docs/CONFIGURATION.md; a test compares the file with this text.
std::string configuration_markdown();

} // namespace gatehouse::config
