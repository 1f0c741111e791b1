// What stands for the content of a request in its cache key.
//
// The hash decides alone whether two contents are the same, and clients choose contents: a hash for which somebody
// could find a second content would let them give others an answer to another question. So it is one of cryptography,
// and the same in every process.
#pragma once

#include <string>
#include <string_view>

namespace gatehouse::proxy {

// 128 bits of SHA-256, in hexadecimal; of no content: nothing.
std::string content_digest_text(std::string_view content);

} // namespace gatehouse::proxy
