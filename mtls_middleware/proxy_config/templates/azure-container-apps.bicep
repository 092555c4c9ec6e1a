// From Microsoft's documentation, not run: check with "mtls-middleware doctor --url". A container app on Azure Container
// Apps.
//
// The application (its environment below says the same):
//   {{ setting }}
// MTLS_TRUST is a file in the image. Run uvicorn with --no-proxy-headers, or better with "mtls-middleware serve". A WSGI
// application runs under gunicorn or waitress.
//
// The ingress verifies nothing: it asks for any certificate, also one that was signed by itself, and the application alone
// judges it. It can add no secret, and can be given no rule that removes a header. So the boundary rests on:
//   - The ingress replaces X-Forwarded-Client-Cert. That is not documented, and certificates are public: let no caller in
//     before "doctor --url" has shown it.
//   - allowInsecure false: over plain HTTP no certificate is asked for.
//   - Only the ingress reaches the application. MTLS_TRUSTED_PROXIES is a range that is reserved for the platform; that the
//     ingress speaks from there is not documented. Where callers are refused with source_untrusted, the log names the
//     address to write.
// Root renewed: only the application knows it: put old and new into the image, in one file or two.
// There is no switch for session resumption, and no CRL. The application checks revocation.
param location string = resourceGroup().location
param environmentId string
param image string
param certificateId string

resource app 'Microsoft.App/containerApps@2025-07-01' = {
  name: 'data-actions'
  location: location
  properties: {
    environmentId: environmentId
    configuration: {
      ingress: {
        external: true
        targetPort: {{ application_port }}
        transport: 'http'
        allowInsecure: false
        clientCertificateMode: 'require'
        customDomains: [
          {
            name: '{{ server_name }}'
            certificateId: certificateId
            bindingType: 'SniEnabled'
          }
        ]
      }
    }
    template: {
      containers: [
        {
          name: 'application'
          image: image
          env: [
            { name: '{{ setting_name }}', value: '{{ setting_value }}' }
          ]
        }
      ]
    }
  }
}
