{
  "includes": ["native/system/system.gypi"],
  "targets": [
    {
      "target_name": "tpe_tpm",
      "sources": [
        "native/addon.cpp",
        "native/activation.cpp",
        "native/attestation.cpp",
        "native/blob.cpp",
        "native/certificate_store.cpp",
        "native/connection.cpp",
        "native/engine.cpp",
        "native/facts.cpp",
        "native/exit_gate.cpp",
        "native/failure.cpp",
        "native/hmac.cpp",
        "native/identity_key.cpp",
        "native/primaries.cpp",
        "native/response_shape.cpp",
        "native/sessions.cpp",
        "native/tcti_guard.cpp",
        "native/templates.cpp",
        "native/tpm_class.cpp",
        "native/value.cpp",
        "native/worker.cpp"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": [
        "NAPI_VERSION=8",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        # A worker thread that is being terminated can run no JavaScript: what fails for that is no reason to abort.
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
        "TPE_TSS_VERSION=\"<!(pkg-config --modversion tss2-esys)\""
      ],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++17", "-std=gnu++20"],
      "cflags": ["<!@(pkg-config --cflags tss2-esys tss2-mu tss2-tctildr)"],
      "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-fexceptions"],
      "libraries": ["<!@(pkg-config --libs tss2-esys tss2-mu tss2-tctildr)", "-lpthread"],
      "ldflags": ["-Wl,-z,nodelete", "-Wl,-z,relro,-z,now"]
    }
  ]
}
