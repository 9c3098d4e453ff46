// nodemailer_send.js - two mails over two TLS connections by nodemailer, the second resuming the first's session.
//
//     nodemailer_send.js '{"port":25,"implicit":false,"version":"TLSv1.3","sender":"a@b", ...}'
"use strict";
const fs = require("fs");
const Connection = require("nodemailer/lib/smtp-connection");

const its = JSON.parse(process.argv[2]);

function send(session, number, done) {
	const connection = new Connection({
		host: its.host, port: its.port, secure: its.implicit, requireTLS: !its.implicit, name: "client.example",
		tls: {
			ca: fs.readFileSync(its.root), servername: its.name, minVersion: its.version, maxVersion: its.version, session: session
		}
	});
	let ticket = null;
	const fail = error => { console.error(String(error)); process.exit(1); };
	connection.on("error", fail);
	connection.connect(() => {
		const tls = connection._socket;
		const seen = { version: tls.getProtocol(), cipher: tls.getCipher().standardName, reused: tls.isSessionReused() };
		ticket = tls.getSession();
		tls.on("session", fresh => { ticket = fresh; });
		const text = "Subject: a note\r\n\r\nby nodemailer, " + number + "\r\n";
		connection.send({ from: its.sender, to: ["bob@backend.example"] }, text, error => {
			if (error) fail(error);
			console.log(JSON.stringify(seen));
			connection.quit();
			done(ticket);
		});
	});
}

send(undefined, 1, ticket => send(ticket, 2, () => {}));
