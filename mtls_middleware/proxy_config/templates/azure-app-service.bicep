// From Microsoft's documentation, not run: check with "mtls-middleware doctor --url". A web app on Azure App Service,
// Linux; Azure Functions take the same properties.
//
// The application (its settings below say the same):
//   {{ setting }}
// MTLS_TRUST is a file of the deployed package, below /home/site/wwwroot. Run uvicorn with
// --no-proxy-headers, or better with "mtls-middleware serve". A WSGI application runs under gunicorn, as it does there.
//
// App Service verifies nothing: it asks for any certificate, and the application alone judges it. It can add no secret,
// and can be given no rule that removes a header. So the boundary rests on three things:
//   - clientCertMode "Required": with "Optional" and "OptionalInteractiveUser" a caller's own X-ARR-ClientCert has been
//     seen to reach the application, and certificates are public. Whether "Required" removes it is not documented: let
//     no caller in before "doctor --url" has shown it.
//   - No excluded paths: on these, no certificate is asked for.
//   - Only the platform's front end reaches the application. Its address, which is not documented, is link-local: where
//     callers are refused with source_untrusted, the log names the address to write into MTLS_TRUSTED_PROXIES.
// For more, put azure-application-gateway in front, which verifies, removes and adds a secret, and close the app itself to
// everybody else (ipSecurityRestrictions).
// Root renewed: only the application knows it: deploy old and new, in one file or two.
// There is no switch for session resumption, and no CRL. The application checks revocation.
param location string = resourceGroup().location
param planId string
param name string

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  kind: 'app,linux'
  properties: {
    serverFarmId: planId
    httpsOnly: true
    clientCertEnabled: true
    clientCertMode: 'Required'
    clientCertExclusionPaths: ''
    siteConfig: {
      linuxFxVersion: 'PYTHON|3.13'
      minTlsVersion: '1.2'
      appSettings: [
        { name: '{{ setting_name }}', value: '{{ setting_value }}' }
      ]
    }
  }
}

// The domain's validation record must exist; a certificate for it is bound as usual.
resource domain 'Microsoft.Web/sites/hostNameBindings@2024-11-01' = {
  parent: app
  name: '{{ server_name }}'
}
