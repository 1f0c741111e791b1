// openssl req and openssl x509.
#include "tests/support/tls_certificates.h"

namespace gatehouse::testing {

namespace {

const std::string kCurve = "ec_paramgen_curve:prime256v1";

} // namespace

CertificateMaker::CertificateMaker() : ca_(self_signed("")) {}

Certificate CertificateMaker::next(const std::string& kind) {
    const std::string name = kind + std::to_string(++made_);
    return {directory_.path(name + ".pem"), directory_.path(name + ".key")};
}

// Complete, so that nothing depends on the machine's openssl.cnf. Without names it is a CA.
std::string CertificateMaker::settings(const std::string& names) {
    const std::string extensions = names.empty()
                                       ? "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n"
                                       : "basicConstraints = CA:FALSE\nsubjectAltName = " + names + "\n";
    return directory_.write("settings", "[req]\ndistinguished_name = subject\nprompt = no\n[subject]\nCN = gatehouse "
                                        "test\n[extensions]\n" +
                                            extensions);
}

Certificate CertificateMaker::self_signed(const std::string& names) {
    Certificate made = next("self");
    run_program({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", kCurve, "-nodes", "-keyout", made.key_file,
                 "-out", made.file, "-config", settings(names), "-extensions", "extensions", "-days", "2"});
    return made;
}

Certificate CertificateMaker::issue(const std::string& names, int days) {
    Certificate made = next("server");
    const std::string request = directory_.path("request");
    const std::string file = settings(names);
    run_program({"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", kCurve, "-nodes", "-keyout", made.key_file,
                 "-out", request, "-config", file});
    run_program({"openssl", "x509", "-req", "-in", request, "-CA", ca_.file, "-CAkey", ca_.key_file, "-set_serial",
                 std::to_string(made_), "-out", made.file, "-days", std::to_string(days), "-extfile", file,
                 "-extensions", "extensions"});
    return made;
}

} // namespace gatehouse::testing
