// What all parts of a configuration are made of.
#pragma once

#include <chrono>
#include <string>

namespace gatehouse::config {

using Milliseconds = std::chrono::milliseconds;

// Where something stands in the YAML, for messages.
struct SourcePlace {
    std::string file;
    int line = 0;   // 1-based
    int column = 0; // 1-based
};

} // namespace gatehouse::config
