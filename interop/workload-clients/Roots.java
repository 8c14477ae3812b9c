import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;

/** Reads all roots of a PEM file as a Java program's trust store does, and their keys. */
public final class Roots {
    public static void main(String[] words) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        int index = 0;
        try (FileInputStream file = new FileInputStream(words[0])) {
            for (Certificate each : CertificateFactory.getInstance("X.509").generateCertificates(file)) {
                each.getPublicKey().getAlgorithm();
                store.setCertificateEntry("root-" + index++, each);
            }
        }
        System.out.println("{\"roots\":" + index + "}");
    }
}
