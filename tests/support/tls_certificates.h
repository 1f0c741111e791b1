// Certificates made by the openssl command while the test runs: a CA, and servers' certificates by it or by themselves.
#pragma once

#include "tests/support/child_process.h"

#include <string>

namespace gatehouse::testing {

struct Certificate {
    std::string file; // PEM
    std::string key_file;
};

class CertificateMaker {
public:
    CertificateMaker();

    const Certificate& ca() const noexcept { return ca_; }
    // Of the CA, for "DNS:a.test,IP:127.0.0.1"; valid for this many days, -1: since yesterday no more.
    Certificate issue(const std::string& names, int days = 2);
    // Vouches for itself only.
    Certificate self_signed(const std::string& names);
    const ScratchDirectory& directory() const noexcept { return directory_; }

private:
    Certificate next(const std::string& kind);
    std::string settings(const std::string& names);

    ScratchDirectory directory_;
    Certificate ca_;
    int made_ = 0;
};

} // namespace gatehouse::testing
