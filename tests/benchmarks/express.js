// The same answer by Express, with the npm package client-certificate-auth: arguments are port, key, certificate, CA, name.
const express = require("express");
const fs = require("fs");
const https = require("https");
const clientCertificateAuth = require("client-certificate-auth");

const [port, key, cert, ca, name] = process.argv.slice(2);
const app = express();
const names = (certificate) => certificate.subjectaltname || "";
app.use(clientCertificateAuth((certificate) => names(certificate).split(", ").includes(`DNS:${name}`)));
app.get("/actions/orders/:id", (request, response) => response.json({ order_id: request.params.id, state: "shipped" }));
const read = (path) => fs.readFileSync(path);
const options = { key: read(key), cert: read(cert), ca: read(ca), requestCert: true, rejectUnauthorized: false };
https.createServer(options, app).listen(Number(port), "127.0.0.1");
