#include "proxy/content_key.h"

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <new>

namespace gatehouse::proxy {

std::string content_digest_text(std::string_view content) {
    constexpr std::string_view kHex = "0123456789abcdef";
    constexpr std::size_t kBytes = 16;
    if (content.empty()) {
        return {};
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    if (EVP_Digest(content.data(), content.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) {
        throw std::bad_alloc(); // the only way in which it fails
    }
    std::string text;
    for (std::size_t i = 0; i < kBytes; ++i) {
        text += kHex[digest[i] >> 4];
        text += kHex[digest[i] & 15];
    }
    return text;
}

} // namespace gatehouse::proxy
